"""What a writer may ask for, checked before it becomes a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiwriter.core.errors import Detail, InvalidInput
from apps.content.markup.markdown import clean_text
from apps.content.services.prompts import ACTIONS

# Longest text of each key, in characters.
_TEXTS = {
    "instruction": 60_000,
    "topic": 1_000,
    "form": 120,
    "title": 300,
    "audience": 300,
    "tone": 300,
    "language": 40,
    "heading": 300,
    "action": 20,
    "voice": 40,
    "text": 100_000,
    # A prompt action with what it was filled with.
    "prompt": 100_000,
}
_NUMBERS = {"length": (10, 20_000), "start": (0, 10_000_000), "end": (0, 10_000_000)}
MAX_HEADINGS = 40


def check_brief(kind: str, brief: Mapping[str, Any], *, has_document: bool) -> dict[str, Any]:
    """The brief as it is kept: known keys, plain values, nothing empty.

    Args:
        kind: one of `Generation.Kind`.
        brief: as the writer sent it.
        has_document: a document stands behind the wish, so its title says what it is about.

    Raises:
        InvalidInput: with every problem at once.
    """
    problems: list[Detail] = []
    kept: dict[str, Any] = {}
    for key, value in brief.items():
        if value is None or value in ("", []):
            continue
        problem = _read(key, value, kept)
        if problem:
            problems.append(problem)
    problems += _missing(kind, kept, has_document=has_document) if not problems else []
    if problems:
        raise InvalidInput(problems[0].issue, field=problems[0].field, remedy=problems[0].remedy, details=problems)
    return kept


def _read(key: str, value: Any, kept: dict[str, Any]) -> Detail | None:
    if key in _TEXTS:
        if not isinstance(value, str):
            return Detail(key, f"{key} is not text.", "Send a string.")
        text = clean_text(value) if key in ("text", "instruction", "prompt") else " ".join(clean_text(value).split())
        if len(text) > _TEXTS[key]:
            return Detail(key, f"{key} has {len(text):,} characters.", f"Use at most {_TEXTS[key]:,}.")
        if text.strip():
            kept[key] = text if key == "text" else text.strip()
        return None
    if key in _NUMBERS:
        least, most = _NUMBERS[key]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            return Detail(key, f"{key} is not a whole number from {least} to {most:,}.", "Change it.")
        kept[key] = value
        return None
    if key == "headings":
        lines = value.splitlines() if isinstance(value, str) else value
        if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
            return Detail(key, "headings is not a list of texts.", 'Send ["First", "Second"].')
        headings = [" ".join(clean_text(line).split())[:300] for line in lines]
        kept[key] = [heading for heading in headings if heading][:MAX_HEADINGS]
        return None
    if key == "use_sources":
        if not isinstance(value, bool):
            return Detail(key, "use_sources is neither true nor false.", "Send true or false.")
        kept[key] = value
        return None
    return Detail(key, f"{key} is not a part of a brief.", f"Known are {', '.join([*_TEXTS, *_NUMBERS])}, headings.")


def _missing(kind: str, kept: dict[str, Any], *, has_document: bool) -> list[Detail]:
    subject = any(kept.get(key) for key in ("instruction", "topic", "title", "headings"))
    if kind in ("draft", "outline") and not subject and not has_document:
        return [Detail("topic", "Nothing says what to write about.", "Give a topic or an instruction.")]
    if kind == "section" and not (kept.get("heading") or kept.get("instruction")):
        return [Detail("heading", "Nothing says which section.", "Give its heading.")]
    if kind == "title" and not (has_document or kept.get("text") or subject):
        return [Detail("document_id", "Nothing says what the title is for.", "Name a document, or give a text.")]
    if kind == "rewrite":
        action = kept.setdefault("action", "custom")
        if action not in ACTIONS and not kept.get("prompt"):
            return [Detail("action", f"'{action}' is no action.", f"Use one of {', '.join(ACTIONS)}.")]
        if not kept.get("text"):
            return [Detail("text", "There is no text to rewrite.", "Send the selected text.")]
        if action == "custom" and not kept.get("instruction"):
            return [Detail("instruction", "Nothing says how to rewrite it.", "Give an instruction or an action.")]
        if action == "translate" and not kept.get("language"):
            return [Detail("language", "Into which language?", "Give the language.")]
    return []
