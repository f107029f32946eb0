"""What a voice says: its rules for the check, and in words for a model."""

from __future__ import annotations

import uuid
from typing import Any

from aiwriter.core.errors import NotFound
from apps.content.markup.linting import Rule
from apps.content.markup.measures import FORMULAS, TONES
from apps.content.models import Document, VoiceProfile, VoiceRule
from apps.content.selectors.documents import as_uuid

NO_VOICE = "none"


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
