"""Cuts a text into the passages that are embedded, found and cited.

A passage ends where a sentence, a block or a section ends, holds about a hundred words, and starts with the last short
sentence of the one before it, so that a thought on the border is found from both sides. It never crosses a heading of
the first levels; short sections below those share a passage. Passages are slices of the text: `text[start:end]`.
The same text gives the same passages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from apps.content.markup.sentences import sentence_spans

_WORDS = re.compile(r"\S+")
_PATH_CHARS = 500


class HeadingLike(Protocol):
    """A heading: level from 1, its words, its first character in the text."""

    @property
    def level(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def start(self) -> int: ...


class PageLike(Protocol):
    """Page `number` begins at character `start`."""

    @property
    def start(self) -> int: ...
    @property
    def number(self) -> int: ...


class BlockLike(Protocol):
    """A block of the text."""

    @property
    def kind(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage.

    Args:
        ordinal: counts from 0.
        text: `source[char_start:char_end]`.
        heading_path: headings above it, highest first, joined by " > ".
        page: page of its first character, None where the source has no pages.
        words: white-space separated.
    """

    ordinal: int
    text: str
    heading_path: str
    page: int | None
    char_start: int
    char_end: int
    words: int

    @property
    def tokens(self) -> int:
        """Estimated tokens: English prose has about four for three words."""
        return self.words * 4 // 3 + 1


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    words: int
    opens_section: bool = False
    is_heading: bool = False


def chunk_document(
    text: str,
    *,
    headings: Sequence[HeadingLike] = (),
    pages: Sequence[PageLike] = (),
    blocks: Sequence[BlockLike] = (),
    target_words: int = 120,
    overlap_words: int = 24,
) -> list[Chunk]:
    """Cut a text.

    Args:
        text: normalised text.
        headings, pages: ascending by `start`.
        blocks: ascending; code and table blocks are cut at line ends in place of sentence ends. Without blocks the
            whole text is prose.
        target_words: a passage is closed when the next sentence would take it beyond this.
        overlap_words: longest sentence that is repeated at the start of the next passage; 0 repeats nothing.

    Returns:
        passages in order; together they cover every character that is not white space.
    """
    units = _units(text, headings, blocks, target_words)
    groups: list[list[_Unit]] = []
    current: list[_Unit] = []
    size = 0
    for unit in units:
        full = size + unit.words > target_words and size > 0
        # A heading does not stand at the end of a passage, away from what it announces.
        leaves = unit.is_heading and size > target_words // 2
        if current and (full or leaves or (unit.opens_section and size >= 12)):
            groups.append(current)
            last = current[-1]
            repeat = not unit.is_heading and not last.is_heading and 0 < last.words <= overlap_words
            current = [last] if repeat and len(current) > 1 else []
            size = sum(part.words for part in current)
        current.append(unit)
        size += unit.words
    if current:
        groups.append(current)
    return _number(text, groups, headings, pages)


def _units(text: str, headings: Sequence[HeadingLike], blocks: Sequence[BlockLike], target_words: int) -> list[_Unit]:
    """Sentences and lines that are not cut further, each without the white space around it."""
    levels = {heading.start: heading.level for heading in headings}
    top = min(levels.values(), default=1)
    spans = [(block.kind, block.start, block.end) for block in blocks] or [("paragraph", 0, len(text))]
    if not blocks and headings:
        spans = _split_at(text, [heading.start for heading in headings])
    units: list[_Unit] = []
    for kind, start, end in spans:
        pieces = _line_spans(text, start, end) if kind in {"code", "table"} else sentence_spans(text, start, end)
        for first, last in pieces:
            for begin, stop in _fit(text, first, last, target_words):
                stripped = text[begin:stop].strip()
                if not stripped:
                    continue
                begin += len(text[begin:stop]) - len(text[begin:stop].lstrip())
                level = levels.get(begin, 0)
                units.append(
                    _Unit(
                        begin,
                        begin + len(stripped),
                        len(_WORDS.findall(stripped)),
                        opens_section=0 < level <= top + 1,
                        is_heading=level > 0 or kind == "heading",
                    )
                )
    return units


def _split_at(text: str, starts: list[int]) -> list[tuple[str, int, int]]:
    edges = sorted({0, len(text), *starts})
    return [("paragraph", first, last) for first, last in pairwise(edges)]


def _line_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans = []
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop + 1
        spans.append((start, stop))
        start = stop
    return spans


def _fit(text: str, start: int, end: int, target_words: int) -> list[tuple[int, int]]:
    """A span in pieces of at most `target_words` words, and of at most ten times as many characters."""
    most_chars = target_words * 10
    if end - start <= target_words:
        return [(start, end)]
    pieces: list[tuple[int, int]] = []
    begin, count = start, 0
    for word in _WORDS.finditer(text, start, end):
        if count and (count >= target_words or word.end() - begin > most_chars):
            pieces.append((begin, word.start()))
            begin, count = word.start(), 0
        count += 1
        while word.end() - begin > most_chars:  # a word without end, such as encoded data
            pieces.append((begin, begin + most_chars))
            begin += most_chars
    pieces.append((begin, end))
    return pieces


def _number(
    text: str, groups: list[list[_Unit]], headings: Sequence[HeadingLike], pages: Sequence[PageLike]
) -> list[Chunk]:
    chunks: list[Chunk] = []
    path: list[HeadingLike] = []
    next_heading = next_page = 0
    page: int | None = None
    for group in groups:
        start, end = group[0].start, group[-1].end
        # A passage belongs to the section of its first sentence, below the headings that it begins with.
        first = next((unit.start for unit in group if not unit.is_heading), start)
        while next_heading < len(headings) and headings[next_heading].start <= first:
            heading = headings[next_heading]
            path = [above for above in path if above.level < heading.level] + [heading]
            next_heading += 1
        while next_page < len(pages) and pages[next_page].start <= start:
            page = pages[next_page].number
            next_page += 1
        piece = text[start:end]
        chunks.append(
            Chunk(
                ordinal=len(chunks),
                text=piece,
                heading_path=" > ".join(above.text for above in path)[:_PATH_CHARS],
                page=page,
                char_start=start,
                char_end=end,
                words=len(_WORDS.findall(piece)),
            )
        )
    return chunks
