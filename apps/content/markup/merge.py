"""Three texts made one: what two people changed in different places is joined, what they changed in one place is told.

The method is diff3: where both changed texts still hold the common one, there is nothing to decide; between such places
one of them has changed, or both have. Blocks (paragraphs, headings, lists, tables) are matched first, words only inside
a place that both have changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from apps.content.markup.markdown import parse

Kind = Literal["same", "theirs", "mine", "both", "merged", "conflict"]
Choice = Literal["mine", "theirs", "both"]
CHOICES: tuple[Choice, ...] = ("mine", "theirs", "both")
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
# A table or a listing whose words were put together from two might not be one any more.
_WHOLE = ("table_open", "fence", "code_block")
_MOST_WORDS = 6000
_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the texts.

    Args:
        kind: "same": nobody changed it; "theirs", "mine": one did; "both": both did the same; "merged": both did, in
            different words; "conflict": both did, in the same words.
        base: Markdown as it was.
        theirs: as the other one left it.
        mine: as the writer left it.
        text: what is taken; of a conflict the writer's own.
    """

    kind: Kind
    base: str
    theirs: str
    mine: str
    text: str


def merge(base: str, theirs: str, mine: str) -> list[Segment]:
    """Join two texts that come from one.

    Args:
        base: normalised Markdown that both started from.
        theirs: normalised Markdown that is stored now.
        mine: normalised Markdown that came too late.

    Returns:
        segments in order; `assemble` makes a text of them.
    """
    segments: list[Segment] = []
    for old, their, my in _diff3(blocks(base), blocks(theirs), blocks(mine)):
        if old == their == my:
            segments.append(_segment("same", old, their, my))
        elif len(old) == len(their) == len(my):
            # As many on each side: the neighbours of a changed block are judged by themselves.
            segments += [_judged([o], [t], [m]) for o, t, m in zip(old, their, my, strict=True)]
        else:
            segments.append(_judged(old, their, my))
    return segments


def conflicts(segments: Sequence[Segment]) -> list[Segment]:
    """Those that the writer must decide; their places in this list are what choices name."""
    return [segment for segment in segments if segment.kind == "conflict"]


def assemble(segments: Sequence[Segment], choices: Mapping[int, Choice] | None = None) -> str:
    """The text.

    Args:
        segments: of `merge`.
        choices: for each conflict, by its number from 0, whose text is taken; "both" takes theirs, then mine.
    """
    parts, number = [], 0
    for segment in segments:
        text = segment.text
        if segment.kind == "conflict":
            choice = (choices or {}).get(number, "mine")
            number += 1
            if choice == "theirs":
                text = segment.theirs
            elif choice == "both":
                text = _GAP.join(filter(None, (segment.theirs, segment.mine)))
        if text:
            parts.append(text)
    return _GAP.join(parts) + "\n" if parts else ""


def merged_title(base: str, theirs: str, mine: str) -> tuple[str, bool]:
    """The title, and whether both have changed it to different words; then it is the writer's."""
    if mine in (base, theirs):
        return theirs, False
    return mine, theirs != base


def blocks(markdown: str) -> list[str]:
    """The top-level blocks of a Markdown text, without the empty lines between them."""
    lines = markdown.split("\n")
    tokens: list[Any] = parse(markdown)
    starts = sorted({token.map[0] for token in tokens if token.level == 0 and token.map and token.nesting >= 0})
    if not starts:
        return [markdown.strip("\n")] if markdown.strip() else []
    # Link definitions make no token; they stay with what they follow.
    starts[0] = 0
    found = ["\n".join(lines[a:b]).strip("\n") for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    return [block for block in found if block.strip()]


def _judged(old: Sequence[str], their: Sequence[str], my: Sequence[str]) -> Segment:
    if their == my:
        return _segment("both", old, their, my)
    if my == old:
        return _segment("theirs", old, their, my)
    if their == old:
        return _segment("mine", old, their, my)
    joined = _by_words(old, their, my)
    if joined is not None:
        return _segment("merged", old, their, my, joined)
    return _segment("conflict", old, their, my)


def _segment(
    kind: Kind, old: Sequence[str], their: Sequence[str], my: Sequence[str], text: str | None = None
) -> Segment:
    base, theirs, mine = (_GAP.join(side) for side in (old, their, my))
    return Segment(kind, base, theirs, mine, (theirs if kind == "theirs" else mine) if text is None else text)


def _by_words(old: Sequence[str], their: Sequence[str], my: Sequence[str]) -> str | None:
    """Both changes in one text when they lie in different words; None when they meet."""
    if not (old and their and my) or any(_is_whole(block) for side in (old, their, my) for block in side):
        return None
    sides = [_WORDS.findall(_GAP.join(side)) for side in (old, their, my)]
    if max(map(len, sides)) > _MOST_WORDS:
        return None
    parts: list[str] = []
    for before, a, b in _diff3(*sides):
        if a in (before, b):
            parts += b
        elif b == before:
            parts += a
        else:
            return None
    return "".join(parts)


def _is_whole(block: str) -> bool:
    tokens: list[Any] = parse(block)
    return any(token.type in _WHOLE for token in tokens)


def _diff3(base: Sequence[str], a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Stretches of the three, in order; in every second one all three are equal."""
    in_a, in_b = _matches(base, a), _matches(base, b)
    i = j = k = 0
    while i < len(base) or j < len(a) or k < len(b):
        start = (i, j, k)
        while i < len(base) and in_a.get(i) == j and in_b.get(i) == k:
            i, j, k = i + 1, j + 1, k + 1
        if i > start[0]:
            yield list(base[start[0] : i]), list(a[start[1] : j]), list(b[start[2] : k])
            continue
        there = next((n for n in range(i, len(base)) if n in in_a and n in in_b), len(base))
        ends = (there, in_a.get(there, len(a)), in_b.get(there, len(b)))
        yield list(base[i : ends[0]]), list(a[j : ends[1]]), list(b[k : ends[2]])
        i, j, k = ends


def _matches(base: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    found = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return {match.a + n: match.b + n for match in found for n in range(match.size)}
