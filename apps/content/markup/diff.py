"""Word-level differences of two texts.

Paragraphs are matched first, by the lines that occur once in both texts (the patience method of Bram Cohen), and words
only inside what is left. Both steps are about n log n; `difflib` alone needs minutes for 50,000 words.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal

Kind = Literal["equal", "insert", "delete", "replace"]
Part = tuple[Kind, str]
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
# difflib looks at every pair in the worst case; beyond this many pairs a gap is shown as replaced as a whole.
_PAIRS = 250_000
_RUNS = (1, 3, 5, 9, 17)


@dataclass(frozen=True, slots=True)
class DiffOp:
    """A stretch of text. All `before` joined are the old text, all `after` joined are the new one."""

    kind: Kind
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One line of a side-by-side view: parts of the old line and of the new one, as plain text to be escaped."""

    kind: Kind
    left: list[Part] = field(default_factory=list)
    right: list[Part] = field(default_factory=list)


def diff(before: str, after: str) -> list[DiffOp]:
    """The differences, from first to last, with equal stretches between them."""
    ops: list[DiffOp] = []
    for same, old, new in _patience(_LINES.findall(before), _LINES.findall(after)):
        if same:
            ops.append(DiffOp("equal", old, new))
        else:
            ops += _words(old, new)
    return _joined(ops)


def diff_sequences(before: Sequence[str], after: Sequence[str]) -> list[DiffOp]:
    """The differences of two texts that were cut into pieces by the caller; a piece is never cut."""
    return _joined(
        [
            DiffOp("equal", old, new) if same else DiffOp(_kind(old, new), old, new)
            for same, old, new in _patience(before, after)
        ]
    )


def inline(ops: Sequence[DiffOp]) -> list[Part]:
    """For a view in one column: deleted text, then inserted text, in place."""
    parts: list[Part] = []
    for op in ops:
        if op.kind == "equal":
            parts.append(("equal", op.after))
            continue
        if op.before:
            parts.append(("delete", op.before))
        if op.after:
            parts.append(("insert", op.after))
    return parts


def side_by_side(ops: Sequence[DiffOp]) -> list[DiffRow]:
    """For a view in two columns, line by line."""
    left: list[list[Part]] = [[]]
    right: list[list[Part]] = [[]]
    partners: list[tuple[int, int]] = []
    for op in ops:
        if op.kind == "equal":
            for position, line in enumerate(op.after.split("\n")):
                if position:
                    left.append([])
                    right.append([])
                if line:
                    left[-1].append(("equal", line))
                    right[-1].append(("equal", line))
                here = (len(left) - 1, len(right) - 1)
                if not partners or (here[0] > partners[-1][0] and here[1] > partners[-1][1]):
                    partners.append(here)
        else:
            _spread(left, "delete", op.before)
            _spread(right, "insert", op.after)
    return list(_aligned(left, right, partners))


def _spread(lines: list[list[Part]], kind: Kind, text: str) -> None:
    for position, line in enumerate(text.split("\n")):
        if position:
            lines.append([])
        if line:
            lines[-1].append((kind, line))


def _aligned(left: list[list[Part]], right: list[list[Part]], partners: Sequence[tuple[int, int]]) -> Iterator[DiffRow]:
    """Lines that share text stand beside each other; the lines between them are filled up from the top."""
    a = b = 0
    for i, j in [*partners, (len(left), len(right))]:
        for row in range(max(i - a, j - b)):
            old = left[a + row] if a + row < i else []
            new = right[b + row] if b + row < j else []
            yield DiffRow(_row_kind(old, new), old, new)
        if i < len(left):
            yield DiffRow(_row_kind(left[i], right[j]), left[i], right[j])
        a, b = i + 1, j + 1


def changed_words(ops: Sequence[DiffOp]) -> tuple[int, int]:
    """How many words were inserted and how many deleted."""
    inserted = sum(len(re.findall(r"\w+", op.after)) for op in ops if op.kind != "equal")
    deleted = sum(len(re.findall(r"\w+", op.before)) for op in ops if op.kind != "equal")
    return inserted, deleted


def _row_kind(left: list[Part], right: list[Part]) -> Kind:
    if not left:
        return "insert" if any(kind == "insert" for kind, _ in right) else "equal"
    if not right:
        return "delete" if any(kind == "delete" for kind, _ in left) else "equal"
    same = all(kind == "equal" for kind, _ in left) and all(kind == "equal" for kind, _ in right)
    return "equal" if same else "replace"


def _words(before: str, after: str) -> list[DiffOp]:
    return diff_sequences(_WORDS.findall(before), _WORDS.findall(after))


def _kind(old: str, new: str) -> Kind:
    if old and new:
        return "replace"
    return "delete" if old else "insert"


def _joined(ops: list[DiffOp]) -> list[DiffOp]:
    """Neighbours of one nature as one op; an empty op is left out."""
    joined: list[DiffOp] = []
    for op in ops:
        if not op.before and not op.after:
            continue
        last = joined[-1] if joined else None
        if last and (last.kind == "equal") == (op.kind == "equal"):
            before, after = last.before + op.before, last.after + op.after
            joined[-1] = DiffOp("equal" if op.kind == "equal" else _kind(before, after), before, after)
        else:
            joined.append(op)
    return joined


def _patience(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """Stretches (equal?, old text, new text) in order."""
    # A list of gaps instead of recursion: a text that shrinks by one line each level would go a thousand levels deep.
    gaps = [(0, len(old), 0, len(new))]
    while gaps:
        a, b, c, d = gaps.pop()
        if a == b or c == d:
            if a != b or c != d:
                yield False, "".join(old[a:b]), "".join(new[c:d])
            continue
        start = 0
        while a + start < b and c + start < d and old[a + start] == new[c + start]:
            start += 1
        end = 0
        while b - end > a + start and d - end > c + start and old[b - end - 1] == new[d - end - 1]:
            end += 1
        if start:
            yield True, "".join(old[a : a + start]), "".join(new[c : c + start])
        if end:
            gaps.append((b - end, b, d - end, d))
        a, b, c, d = a + start, b - end, c + start, d - end
        if start or end:
            # What is left has different ends, or is empty on one side.
            if a != b or c != d:
                gaps.append((a, b, c, d))
            continue
        anchors = _anchors(old, new, a, b, c, d)
        if anchors:
            pieces = []
            x, y = a, c
            for i, j in anchors:
                pieces.append((x, i, y, j))
                x, y = i, j
            pieces.append((x, b, y, d))
            gaps.extend(reversed(pieces))
        else:
            yield from _small(old[a:b], new[c:d])


def _anchors(old: Sequence[str], new: Sequence[str], a: int, b: int, c: int, d: int) -> list[tuple[int, int]]:
    """Places that occur once on both sides, in the longest order that both share.

    In a long text hardly a word is alone, but runs of words are: with nothing unique, longer and longer runs are tried.
    """
    for length in _RUNS:
        if length > min(b - a, d - c):
            break
        if pairs := _unique_pairs(_runs(old, a, b, length), _runs(new, c, d, length), a, c):
            return _longest_order(pairs)
    return []


def _runs(tokens: Sequence[str], start: int, end: int, length: int) -> list[Any]:
    if length == 1:
        return list(tokens[start:end])
    return list(zip(*(tokens[start + k : end - length + 1 + k] for k in range(length)), strict=True))


def _unique_pairs(old: list[Any], new: list[Any], a: int, c: int) -> list[tuple[int, int]]:
    counts_old, counts_new = Counter(old), Counter(new)
    where = {run: j for j, run in enumerate(new, c) if counts_new[run] == 1}
    return [(i, where[run]) for i, run in enumerate(old, a) if counts_old[run] == 1 and run in where]


def _longest_order(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs whose second numbers ascend."""
    tails: list[int] = []
    places: list[int] = []
    links: list[int] = []
    for position, (_, j) in enumerate(pairs):
        spot = bisect_left(tails, j)
        if spot == len(tails):
            tails.append(j)
            places.append(position)
        else:
            tails[spot], places[spot] = j, position
        links.append(places[spot - 1] if spot else -1)
    found = []
    position = places[-1] if places else -1
    while position >= 0:
        found.append(pairs[position])
        position = links[position]
    return found[::-1]


def _small(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """A gap without anchors: by difflib when it is small, else as one replacement."""
    if len(old) * len(new) > _PAIRS:
        yield False, "".join(old), "".join(new)
        return
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield tag == "equal", "".join(old[i1:i2]), "".join(new[j1:j2])
