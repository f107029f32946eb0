"""The rules of a voice: added, changed, decided."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.content.markup.measures import FORMULAS, TONES, WORD
from apps.content.models import VoiceProfile, VoiceRule
from apps.content.selectors.documents import as_uuid
from apps.content.services.voices import line_of, touched, writable
from apps.users.selectors.access import Actor

MAX_RULES = 500
Kind = VoiceRule.Kind
_KINDS = Kind.values
_BOUND = {"sentence_length": (3, 200), "readability": (-200, 300), "tone": (0, 1000)}


def add_rule(*, actor: Actor, voice_id: uuid.UUID | str, **values: Any) -> VoiceRule:
    """Add an active rule.

    Args:
        actor: who adds it.
        voice_id: to which voice.
        values: kind, pattern, replacement, minimum, maximum, message, severity.

    Raises:
        NotFound, PermissionDenied: the voice is not the actor's to change.
        InvalidInput: the rule makes no sense.
        Conflict: there is one for the same term or measure, or there are too many.
    """
    voice = writable(actor, voice_id)
    checked = check_rule(values)
    if voice.rules.count() >= MAX_RULES:
        raise Conflict(f"The voice has {MAX_RULES} rules.", remedy="Remove some, or make a second voice.")
    try:
        with transaction.atomic():
            rule = VoiceRule.objects.create(voice=voice, **checked)
            touched(actor, voice)
    except IntegrityError as error:
        raise _same_rule() from error
    return rule


def change_rule(*, actor: Actor, voice_id: uuid.UUID | str, rule_id: uuid.UUID | str, **changes: Any) -> VoiceRule:
    """Change a rule; a proposed one becomes active by it. Without changes this accepts a proposal.

    Raises:
        NotFound, PermissionDenied: the rule is not the actor's to change.
        InvalidInput: the rule makes no sense.
        Conflict: there is one for the same term or measure.
    """
    voice = writable(actor, voice_id)
    rule = _rule(voice, rule_id)
    names = ("kind", "pattern", "replacement", "minimum", "maximum", "message", "severity")
    checked = check_rule({name: changes.get(name, getattr(rule, name)) for name in names})
    for key, value in checked.items():
        setattr(rule, key, value)
    rule.state = VoiceRule.State.ACTIVE
    try:
        with transaction.atomic():
            rule.save()
            touched(actor, voice)
    except IntegrityError as error:
        raise _same_rule() from error
    return rule


def delete_rule(*, actor: Actor, voice_id: uuid.UUID | str, rule_id: uuid.UUID | str) -> None:
    """Remove a rule, or turn a proposal down.

    Raises:
        NotFound, PermissionDenied: the rule is not the actor's to remove.
    """
    voice = writable(actor, voice_id)
    rule = _rule(voice, rule_id)
    with transaction.atomic():
        rule.delete()
        if rule.state == VoiceRule.State.ACTIVE:
            touched(actor, voice)


def accept_proposals(*, actor: Actor, voice_id: uuid.UUID | str) -> int:
    """Accept every proposed rule.

    Returns:
        how many there were.

    Raises:
        NotFound, PermissionDenied: the voice is not the actor's to change.
    """
    voice = writable(actor, voice_id)
    with transaction.atomic():
        number = voice.rules.filter(state=VoiceRule.State.PROPOSED).update(state=VoiceRule.State.ACTIVE)
        if number:
            touched(actor, voice)
    return number


def check_rule(values: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as it is kept.

    Raises:
        InvalidInput: naming the field.
    """
    kind = str(values.get("kind") or "")
    if kind not in _KINDS:
        raise InvalidInput(f"'{kind[:40]}' is no kind of rule.", field="kind", remedy=f"Use {', '.join(_KINDS)}.")
    severity = str(values.get("severity") or "warning")
    if severity not in VoiceRule.Severity.values:
        raise InvalidInput(f"'{severity[:40]}' is no severity.", field="severity", remedy="Use error, warning or hint.")
    kept: dict[str, Any] = {
        "kind": kind,
        "severity": severity,
        "message": line_of(values, "message", 300),
        "pattern": line_of(values, "pattern", 200),
        "replacement": line_of(values, "replacement", 200),
        "minimum": None,
        "maximum": None,
    }
    if kind in (Kind.REQUIRE, Kind.FORBID, Kind.PREFER):
        _check_term(kept)
        return kept
    kept["replacement"] = ""
    if kind == Kind.SENTENCE_LENGTH:
        kept["pattern"] = "words"
    known = {Kind.READABILITY: FORMULAS, Kind.TONE: TONES}.get(Kind(kind))
    if known is not None and kept["pattern"] not in known:
        raise InvalidInput(
            f"'{kept['pattern'][:40]}' is not measured.", field="pattern", remedy=f"Use {', '.join(known)}."
        )
    least, most = _BOUND[kind]
    for name in ("minimum", "maximum"):
        kept[name] = _number(values.get(name), name, least, most)
    if kind == Kind.SENTENCE_LENGTH:
        kept["minimum"] = None
        if kept["maximum"] is None:
            raise InvalidInput("How long may a sentence be?", field="maximum", remedy="Give a number of words.")
    if kept["minimum"] is None and kept["maximum"] is None:
        raise InvalidInput("The rule has no bound.", field="maximum", remedy="Give a minimum, a maximum, or both.")
    if None not in (kept["minimum"], kept["maximum"]) and kept["minimum"] > kept["maximum"]:
        raise InvalidInput("The minimum is above the maximum.", field="minimum", remedy="Exchange them.")
    return kept


def _check_term(kept: dict[str, Any]) -> None:
    words = WORD.findall(kept["pattern"])
    if not words:
        raise InvalidInput("Which term?", field="pattern", remedy="Give one word or several.")
    stem = kept["pattern"].rstrip()
    if "*" in stem[:-1]:
        raise InvalidInput(
            "A * can only stand at the end.", field="pattern", remedy="Write the beginning of the word and a *."
        )
    if stem.endswith("*") and len(words[-1]) < 3:
        raise InvalidInput(
            "Before the * there are fewer than three letters.", field="pattern", remedy="Give more of the word."
        )
    if kept["kind"] == Kind.PREFER and not kept["replacement"]:
        raise InvalidInput("What is preferred?", field="replacement", remedy="Give the words to write instead.")
    if kept["kind"] == Kind.REQUIRE:
        kept["replacement"] = ""


def _number(value: Any, name: str, least: float, most: float) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{name} is not a number.", field=name, remedy="Send a number.")
    if not least <= value <= most:
        raise InvalidInput(f"{name} is {value:g}.", field=name, remedy=f"Use {least} to {most}.")
    return float(value)


def _rule(voice: VoiceProfile, rule_id: uuid.UUID | str) -> VoiceRule:
    rule = voice.rules.filter(pk=as_uuid(rule_id)).first()
    if rule is None:
        raise NotFound("There is no such rule.", remedy="Look at the voice again.")
    return rule


def _same_rule() -> Conflict:
    return Conflict("There is a rule for the same term or measure.", field="pattern", remedy="Change that one instead.")
