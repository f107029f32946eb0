"""Reading voices, and which one a text is to be written in."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Count, Q, QuerySet

from aiwriter.core.errors import NotFound
from apps.content.markup.linting import Rule
from apps.content.markup.measures import FORMULAS, TONES
from apps.content.models import Document, VoiceProfile, VoiceRule
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of

NO_VOICE = "none"


def voices_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[VoiceProfile]:
    """Voices that the actor may see, with the number of their rules (`rule_count`, `proposed_count`).

    Args:
        actor: who reads.
        workspace: only this one.
    """
    found = VoiceProfile.objects.filter(workspace__in=workspaces_of(actor)).annotate(
        rule_count=Count("rules", filter=Q(rules__state=VoiceRule.State.ACTIVE)),
        proposed_count=Count("rules", filter=Q(rules__state=VoiceRule.State.PROPOSED)),
    )
    return found.filter(workspace=workspace) if workspace else found


def get_voice(*, actor: Actor, voice_id: uuid.UUID | str) -> VoiceProfile:
    """One voice.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    found = voices_for(actor).filter(pk=as_uuid(voice_id)).first()
    if found is None:
        raise NotFound("There is no such voice.", remedy="It may have been removed; look at your voices.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def rules_of(voice: VoiceProfile) -> list[Rule]:
    """The active rules as the check takes them."""
    return [
        Rule(
            id=str(row.pk),
            kind=row.kind,
            pattern=row.pattern,
            replacement=row.replacement,
            minimum=row.minimum,
            maximum=row.maximum,
            message=row.message,
            severity=row.severity,
        )
        for row in voice.rules.all()
        if row.state == VoiceRule.State.ACTIVE
    ]


def voice_of(document: Document) -> VoiceProfile | None:
    """The voice that a document is written and checked in: its own, else the workspace's default."""
    if document.voice_id:
        return document.voice
    return VoiceProfile.objects.in_workspace(document.workspace_id).filter(is_default=True).first()


def voice_for_prompt(workspace_id: uuid.UUID, document: Document | None, chosen: str | None) -> dict[str, Any]:
    """What a generation is told about the voice: a snapshot, so that a change of the voice does not change a running job.

    Args:
        workspace_id: where.
        document: what it is for.
        chosen: a voice's id from the brief, "none" for no voice, or None to leave it to document and workspace.

    Returns:
        "id", "name", "revision" and "instructions"; empty without an approved voice.

    Raises:
        NotFound: the brief names a voice that is not one of the workspace, or not approved.
    """
    if chosen == NO_VOICE:
        return {}
    approved = VoiceProfile.objects.in_workspace(workspace_id).approved()
    if chosen:
        voice = approved.filter(pk=as_uuid(chosen)).first()
        if voice is None:
            raise NotFound(
                "There is no such approved voice in this workspace.",
                field="voice",
                remedy="Name an approved voice, or 'none'.",
            )
    elif document is not None and document.voice_id:
        voice = approved.filter(pk=document.voice_id).first()
    else:
        voice = approved.filter(is_default=True).first()
    if voice is None:
        return {}
    return {
        "id": str(voice.pk),
        "name": voice.name,
        "revision": voice.revision,
        "instructions": instructions(voice),
    }


def instructions(voice: VoiceProfile) -> str:
    """The voice in words, for a model: the same rules that the check applies, one a line."""
    lines = [voice.description.strip()] if voice.description.strip() else []
    lines += [_sentence(rule) for rule in rules_of(voice)]
    return "\n".join(f"- {line}" for line in lines if line)


def _sentence(rule: Rule) -> str:
    if rule.kind == "require":
        return f'Use the term "{rule.pattern}".'
    if rule.kind == "forbid":
        instead = f'; write "{rule.replacement}" instead' if rule.replacement else ""
        return f'Never use "{rule.pattern}"{instead}.'
    if rule.kind == "prefer":
        return f'Write "{rule.replacement}", not "{rule.pattern}".'
    if rule.kind == "sentence_length":
        return f"No sentence has more than {rule.maximum:g} words."
    name = FORMULAS.get(rule.pattern) or TONES.get(rule.pattern, rule.pattern)
    bounds = []
    if rule.minimum is not None:
        bounds.append(f"at least {rule.minimum:g}")
    if rule.maximum is not None:
        bounds.append(f"at most {rule.maximum:g}")
    return f"{name[0].upper()}{name[1:]}: {' and '.join(bounds)}."
