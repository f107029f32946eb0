"""Voices: made, learnt from samples, reviewed, approved, and applied to texts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from apps.content.markup.linting import Report, lint, proposals
from apps.content.markup.markdown import clean_text, word_count
from apps.content.models import Document, VoiceProfile, VoiceRule, VoiceSample
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.selectors.sources import get_source
from apps.content.selectors.voices import get_voice
from apps.content.services.voicing import rules_of
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MAX_TEXT = 5_000_000
MAX_SAMPLE = 1_000_000
MAX_SAMPLES = 50
LEAST_WORDS = 150


def create_voice(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    name: str,
    description: str = "",
    language: str = "en",
) -> VoiceProfile:
    """Make a voice without rules; a draft.

    Args:
        actor: who makes it.
        workspace: the workspace, its id or its slug.
        name: at most 120 characters, once in the workspace.
        description: how the texts should sound, in one's own words; goes into the prompt.
        language: language tag; chooses the readability formula.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to write in.
        InvalidInput: a value cannot be used.
        Conflict: the name is taken.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    values = _values({"name": name, "description": description, "language": language})
    try:
        with transaction.atomic():
            voice = VoiceProfile.objects.create(workspace=room, created_by=actor.user, **values)
            record(actor, "voice.created", obj=voice)
    except IntegrityError as error:
        raise _taken() from error
    return voice


def change_voice(*, actor: Actor, voice_id: uuid.UUID | str, **changes: Any) -> VoiceProfile:
    """Change name, description, language or `is_default`. All but name and default make it a draft again.

    Raises:
        NotFound, PermissionDenied: the voice is not the actor's to change.
        InvalidInput: a value cannot be used.
        Conflict: the name is taken, or a draft is to be the default.
    """
    voice = writable(actor, voice_id)
    default = changes.pop("is_default", None)
    values = _values(changes)
    try:
        with transaction.atomic():
            voice = VoiceProfile.objects.select_for_update().get(pk=voice.pk)
            if any(getattr(voice, key) != value for key, value in values.items() if key != "name"):
                _to_draft(voice)
            for key, value in values.items():
                setattr(voice, key, value)
            if default is not None:
                if default and not voice.is_approved:
                    raise Conflict("Only an approved voice can be the default.", remedy="Approve it first.")
                if default:
                    VoiceProfile.objects.filter(workspace_id=voice.workspace_id).update(is_default=False)
                voice.is_default = bool(default)
            voice.save()
            record(
                actor,
                "voice.changed",
                obj=voice,
                after={"fields": sorted([*values, *(["is_default"] if default is not None else [])])},
            )
    except IntegrityError as error:
        raise _taken() from error
    return voice


def delete_voice(*, actor: Actor, voice_id: uuid.UUID | str) -> None:
    """Remove a voice with its rules and samples. Documents in it go back to the workspace's default.

    Raises:
        NotFound, PermissionDenied: the voice is not the actor's to remove.
    """
    voice = writable(actor, voice_id)
    with transaction.atomic():
        record(actor, "voice.deleted", obj=voice)
        voice.delete()


def approve_voice(*, actor: Actor, voice_id: uuid.UUID | str) -> VoiceProfile:
    """Let generations use a voice. Proposed rules must have been decided before.

    Raises:
        NotFound, PermissionDenied: the voice is not the actor's to approve.
        Conflict: rules still wait, or there is nothing that could be followed.
    """
    voice = writable(actor, voice_id)
    with transaction.atomic():
        voice = VoiceProfile.objects.select_for_update().get(pk=voice.pk)
        waiting = voice.rules.filter(state=VoiceRule.State.PROPOSED).count()
        if waiting:
            raise Conflict(
                f"{waiting} proposed rules have not been decided.", remedy="Accept or remove each of them first."
            )
        if not voice.description.strip() and not voice.rules.exists():
            raise Conflict(
                "The voice says nothing yet.", remedy="Describe it, add rules, or let it learn from samples."
            )
        voice.status = VoiceProfile.Status.APPROVED
        voice.approved_by, voice.approved_at = actor.user, timezone.now()
        voice.save(update_fields=["status", "approved_by", "approved_at", "updated_at"])
        record(actor, "voice.approved", obj=voice, after={"revision": voice.revision})
    return voice


def choose_voice(*, actor: Actor, document_id: uuid.UUID | str, voice_id: uuid.UUID | str | None) -> Document:
    """Say in which voice a document is written; None leaves it to the workspace's default.

    Raises:
        NotFound, PermissionDenied: document or voice are not the actor's.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    voice = None if not voice_id else get_voice(actor=actor, voice_id=voice_id)
    if voice is not None and voice.workspace_id != document.workspace_id:
        raise NotFound(
            "There is no such voice in this workspace.", field="voice_id", remedy="Choose one of its voices."
        )
    with transaction.atomic():
        Document.objects.filter(pk=document.pk).update(voice=voice)
        record(actor, "voice.chosen", obj=document, after={"voice": str(voice.pk) if voice else None})
    document.voice = voice
    return document


# ---------------------------------------------------------------- learning
def add_sample(
    *,
    actor: Actor,
    voice_id: uuid.UUID | str,
    title: str = "",
    text: str = "",
    source_id: uuid.UUID | str | None = None,
    document_id: uuid.UUID | str | None = None,
) -> VoiceSample:
    """Add a text that the voice shall learn from: pasted, or one of the workspace's sources or documents.

    Raises:
        NotFound, PermissionDenied: voice, source or document are not the actor's.
        InvalidInput: none of the three was given, or several.
        TooLarge: the pasted text is longer than 1,000,000 characters.
        Conflict: there are too many samples.
    """
    voice = writable(actor, voice_id)
    if sum(map(bool, (text.strip(), source_id, document_id))) != 1:
        raise InvalidInput(
            "A sample is one text.", field="text", remedy="Send text, or source_id, or document_id; one of them."
        )
    if voice.samples.count() >= MAX_SAMPLES:
        raise Conflict(f"The voice has {MAX_SAMPLES} samples.", remedy="Remove some first.")
    sample = VoiceSample(voice=voice)
    if source_id:
        source = get_source(actor=actor, source_id=source_id)
        _same_workspace(voice, source.workspace_id, "source_id")
        sample.source, sample.title, sample.word_count = source, source.title, source.word_count
    elif document_id:
        document = get_document(actor=actor, document_id=document_id)
        _same_workspace(voice, document.workspace_id, "document_id")
        sample.document, sample.title, sample.word_count = document, document.title, document.word_count
    else:
        cleaned = clean_text(text).strip()
        if len(cleaned) > MAX_SAMPLE:
            raise TooLarge(
                f"The text has {len(cleaned):,} characters.", field="text", remedy=f"Use at most {MAX_SAMPLE:,}."
            )
        sample.text, sample.word_count = cleaned, word_count(cleaned)
        sample.title = " ".join(clean_text(title).split())[:300] or " ".join(cleaned.split()[:8])[:80]
    sample.save()
    return sample


def delete_sample(*, actor: Actor, voice_id: uuid.UUID | str, sample_id: uuid.UUID | str) -> None:
    """Remove a sample; rules that were learnt from it stay.

    Raises:
        NotFound, PermissionDenied: the sample is not the actor's to remove.
    """
    voice = writable(actor, voice_id)
    if not voice.samples.filter(pk=as_uuid(sample_id)).delete()[0]:
        raise NotFound("There is no such sample.", remedy="Look at the voice again.")


def learn(*, actor: Actor, voice_id: uuid.UUID | str) -> VoiceProfile:
    """Measure the samples and propose rules that they keep. Earlier proposals give way; active rules stay as they are.

    Raises:
        NotFound, PermissionDenied: the voice is not the actor's to change.
        Conflict: there is too little to learn from.
    """
    voice = writable(actor, voice_id)
    texts = [_text_of(actor, sample) for sample in voice.samples.select_related("source", "document")]
    rules, figures = proposals([text for text in texts if text.strip()], voice.language)
    if figures.get("words", 0) < LEAST_WORDS:
        raise Conflict(
            f"The samples have {int(figures.get('words', 0))} words together; that is too little to measure.",
            remedy=f"Add samples of at least {LEAST_WORDS} words; a thousand give steadier figures.",
        )
    with transaction.atomic():
        voice.rules.filter(state=VoiceRule.State.PROPOSED).delete()
        taken = set(voice.rules.values_list("kind", "pattern"))
        VoiceRule.objects.bulk_create(
            VoiceRule(
                voice=voice,
                kind=rule.kind,
                pattern=rule.pattern,
                replacement=rule.replacement,
                minimum=rule.minimum,
                maximum=rule.maximum,
                severity=rule.severity,
                state=VoiceRule.State.PROPOSED,
            )
            for rule in rules
            if (rule.kind, rule.pattern) not in taken
        )
        voice.figures = figures
        voice.save(update_fields=["figures", "updated_at"])
        record(actor, "voice.learnt", obj=voice, after={"words": int(figures["words"]), "samples": len(texts)})
    return voice


# ---------------------------------------------------------------- checking
def lint_text(
    *,
    actor: Actor,
    voice_id: uuid.UUID | str,
    text: str | None = None,
    document_id: uuid.UUID | str | None = None,
) -> Report:
    """Check a text, or a document as it is stored, against the active rules of a voice, approved or not.

    Args:
        actor: who asks.
        voice_id: which voice.
        text: Markdown or plain text, at most 5,000,000 characters.
        document_id: in place of `text`.

    Raises:
        NotFound, PermissionDenied: voice or document are not the actor's.
        InvalidInput: neither or both were given.
        TooLarge: the text is too long.
    """
    voice = get_voice(actor=actor, voice_id=voice_id)
    if (text is None) == (document_id is None):
        raise InvalidInput("Nothing says what to check.", field="text", remedy="Send text or document_id, one of them.")
    if document_id is not None:
        document = get_document(actor=actor, document_id=document_id)
        _same_workspace(voice, document.workspace_id, "document_id")
        text = document.body_markdown
    assert text is not None  # noqa: S101
    if len(text) > MAX_TEXT:
        raise TooLarge(f"The text has {len(text):,} characters.", field="text", remedy=f"Use at most {MAX_TEXT:,}.")
    return lint(text, rules_of(voice), language=voice.language)


def line_of(values: Mapping[str, Any], name: str, longest: int) -> str:
    """A value as one line of text; "" when there is none.

    Raises:
        InvalidInput: it is not text, or too long.
    """
    value = values.get(name) or ""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is not text.", field=name, remedy="Send a string.")
    line = " ".join(clean_text(value).split())
    if len(line) > longest:
        raise InvalidInput(f"{name} has {len(line)} characters.", field=name, remedy=f"Use at most {longest}.")
    return line


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if "name" in values:
        kept["name"] = line_of(values, "name", 120)
        if not kept["name"]:
            raise InvalidInput("The voice has no name.", field="name", remedy="Give it one.")
    if "description" in values:
        text = clean_text(str(values["description"] or "")).strip()
        if len(text) > 4_000:
            raise InvalidInput(
                f"The description has {len(text):,} characters.", field="description", remedy="Use at most 4,000."
            )
        kept["description"] = text
    if "language" in values:
        kept["language"] = line_of(values, "language", 12) or "en"
    return kept


def writable(actor: Actor, voice_id: uuid.UUID | str) -> VoiceProfile:
    """A voice that the actor may change.

    Raises:
        NotFound, PermissionDenied: it is not.
    """
    voice = get_voice(actor=actor, voice_id=voice_id)
    require(actor, "content.write", workspace=voice.workspace_id)
    return voice


def _same_workspace(voice: VoiceProfile, workspace_id: uuid.UUID, field: str) -> None:
    if voice.workspace_id != workspace_id:
        raise NotFound("There is no such text in the workspace of this voice.", field=field)


def _text_of(actor: Actor, sample: VoiceSample) -> str:
    if sample.source_id:
        return get_source(actor=actor, source_id=sample.source_id).text
    if sample.document is not None:
        # A document that lies in the bin, or that the actor may not read, teaches nothing.
        return sample.document.body_markdown if sample.document.deleted_at is None else ""
    return sample.text


def _to_draft(voice: VoiceProfile) -> None:
    voice.status = VoiceProfile.Status.DRAFT
    voice.revision += 1
    voice.approved_by, voice.approved_at = None, None


def touched(actor: Actor, voice: VoiceProfile) -> None:
    """Make a draft of a voice whose rules have changed: what was approved is no longer what stands there."""
    row = VoiceProfile.objects.select_for_update().get(pk=voice.pk)
    _to_draft(row)
    row.save(update_fields=["status", "revision", "approved_by", "approved_at", "updated_at"])
    record(actor, "voice.changed", obj=row, after={"fields": ["rules"]})


def _taken() -> Conflict:
    return Conflict("There is a voice of this name.", field="name", remedy="Choose another name.")
