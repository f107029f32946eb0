"""Outlines in Markdown: read as sections, and sections put at their place in a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_SECTIONS = 100
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"^(?:[-*+]|\d{1,3}[.)])[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_MARKS = re.compile(r"[*_`]|\s*\[\d{1,3}\]")


@dataclass(frozen=True, slots=True)
class Planned:
    """A section as an outline names it."""

    heading: str
    instruction: str


def read_outline(text: str) -> tuple[str, list[Planned]]:
    """Title and sections of an outline.

    Headings of the second level are the sections; where there are none, those of the level that occurs most, and where
    there are no headings at all, the items of lists that are not indented. What stands below one says what it tells.
    """
    headings = _headings(text)
    title = next((name for level, _start, _end, name in headings if level == 1), "")
    levels = [level for level, *_ in headings if level > 1]
    level = 2 if 2 in levels else max(set(levels), key=levels.count) if levels else 0
    marks = [(start, end, name) for at, start, end, name in headings if at == level]
    if not marks:
        marks = [(m.start(), m.end(), m[1]) for m in _ITEM.finditer(text)]
    if not marks:
        return _MARKS.sub("", title).strip()[:300], []
    ends = [start for start, *_ in marks[1:]] + [len(text)]
    found = []
    for (_start, end, name), stop in zip(marks, ends, strict=True):
        heading = _MARKS.sub("", name).strip(" :.-")
        told = " ".join(line.strip(" #-*\t") for line in text[end:stop].splitlines() if line.strip(" #-*\t"))
        if heading:
            found.append(Planned(heading[:300], _MARKS.sub("", told)[:2_000].strip()))
    return _MARKS.sub("", title).strip()[:300], found[:MAX_SECTIONS]


def with_heading(text: str, heading: str) -> str:
    """The text of a section beginning with its heading, whatever the model began with."""
    text = text.strip()
    first = _HEADING.match(text)
    if first is None:
        return f"## {heading}\n\n{text}\n"
    return f"## {heading}\n{text[first.end() :]}\n" if len(first[1]) != 2 else f"{text}\n"


def put_section(body: str, text: str, *, old: str, heading: str, before: Sequence[tuple[str, str]]) -> str:
    """A text with one of its sections put in, in place of what it was.

    Args:
        body: the whole text.
        text: of the section, with its heading.
        old: what was put in for it last; "" when nothing was.
        heading: of the section.
        before: text and heading of the sections that come before it, the nearest first.
    """
    text = text.strip()
    if span := _place(body, old, heading):
        start, end = span
        return _joined(body[:start], text, body[end:])
    for earlier, name in before:
        if span := _place(body, earlier, name):
            return _joined(body[: span[1]], text, body[span[1] :])
    # The first section comes before whatever sections stand there, and behind an opening without a heading.
    if not before and (first := next((start for level, start, *_ in _headings(body) if level == 2), None)) is not None:
        return _joined(body[:first], text, body[first:])
    return _joined(body, text, "")


def _place(body: str, text: str, heading: str) -> tuple[int, int] | None:
    """Where a section stands: by its words, or, when somebody has edited them, from its heading to the next."""
    text = text.strip()
    if text and body.count(text) == 1:
        start = body.index(text)
        return start, start + len(text)
    headings = _headings(body)
    same = [each for each in headings if each[0] == 2 and _plain(each[3]) == _plain(heading)]
    if len(same) != 1:
        return None
    start = same[0][1]
    return start, next((at for level, at, *_ in headings if at > start and level <= 2), len(body))


def _joined(before: str, text: str, after: str) -> str:
    pieces = [piece for piece in (before.strip("\n"), text.strip("\n"), after.strip("\n")) if piece.strip()]
    return "\n\n".join(pieces) + "\n"


def _headings(text: str) -> list[tuple[int, int, int, str]]:
    """Level, start, end and words of each heading outside code."""
    code = [match.span() for match in _FENCE.finditer(text)]
    return [
        (len(m[1]), m.start(), m.end(), m[2])
        for m in _HEADING.finditer(text)
        if not any(start <= m.start() < end for start, end in code)
    ]


def _plain(heading: str) -> str:
    return " ".join(_MARKS.sub("", heading).casefold().split())
