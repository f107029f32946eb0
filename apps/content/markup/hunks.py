"""Two texts as a few changes that a person can decide one by one.

Differences between words alone would be confetti, and would cut through Markdown: half of a link cannot be accepted. So
links, code and emphasis are one word here, changes with next to nothing between them are one change, and a paragraph that
was written anew is one change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.content.markup.diff import DiffOp, diff_sequences

_TOKEN = re.compile(
    r"!?\[[^\]\n]*\]\([^)\n]*\)"  # link or image
    r"|`[^`\n]+`"
    r"|\*\*[^*\n]+\*\*|__[^_\n]+__|~~[^~\n]+~~"
    r"|(?<![\w*])\*[^*\n]+\*(?![\w*])|(?<![\w_])_[^_\n]+_(?![\w_])"
    r"|\w+(?:['’]\w+)*|[^\S\n]+|\n+|[^\w\s]"
)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
# Not before what begins a list, a quotation, a heading, a table or code.
_SOFT_BREAK = re.compile(r"(?<=[^\n])\n(?=[^\n\s>#*+\-|\d`~])")
# With less than this share of the words kept, they are not compared.
_KEPT = 0.35
_BETWEEN = 2


@dataclass(frozen=True, slots=True)
class Hunk:
    """One change.

    Args:
        start: where `before` stands in the old text, in characters.
        before: what goes; "" for an insertion.
        after: what comes; "" for a deletion.
    """

    start: int
    before: str
    after: str


def hunks(before: str, after: str) -> list[Hunk]:
    """The changes that make `after` out of `before`, from first to last.

    Applied all together, from last to first, they give exactly `after`.
    """
    ops: list[DiffOp] = []
    for op in diff_sequences(_LINES.findall(before), _LINES.findall(after)):
        ops += [op] if op.kind == "equal" else _inside(op)
    return _placed(_joined(ops))


def reworded(before: str, after: str) -> list[Hunk]:
    """The same for a text that was written anew: where its lines are broken is no difference.

    A line break within a paragraph is a blank in Markdown, and models and editors do not keep it.
    """
    found = [
        Hunk(hunk.start, before[hunk.start : hunk.start + len(hunk.before)], hunk.after)
        for hunk in hunks(_unwrapped(before), _unwrapped(after))
    ]
    return [hunk for hunk in found if hunk.before != hunk.after]


def _unwrapped(text: str) -> str:
    """Of the same length, so that places stay what they are."""
    return _SOFT_BREAK.sub(" ", text)


def apply(before: str, changes: Sequence[Hunk]) -> str:
    """The text with changes in it; their places must not overlap."""
    for change in sorted(changes, key=lambda each: each.start, reverse=True):
        before = before[: change.start] + change.after + before[change.start + len(change.before) :]
    return before


def _inside(op: DiffOp) -> list[DiffOp]:
    """The words that differ in lines that differ."""
    if not op.before.strip() or not op.after.strip():
        return [op]
    old, new = _TOKEN.findall(op.before), _TOKEN.findall(op.after)
    words = diff_sequences(old, new)
    kept = sum(len(_TOKEN.findall(word.before)) for word in words if word.kind == "equal")
    return words if kept >= _KEPT * max(len(old), len(new)) else [op]


def _joined(ops: Sequence[DiffOp]) -> list[DiffOp]:
    joined: list[DiffOp] = []
    for number, op in enumerate(ops):
        last = joined[-1] if joined else None
        between = op.kind == "equal" and len(op.before.strip()) <= _BETWEEN and "\n" not in op.before
        inner = 0 < number < len(ops) - 1
        if last is not None and last.kind != "equal" and (op.kind != "equal" or (between and inner)):
            joined[-1] = DiffOp("replace", last.before + op.before, last.after + op.after)
        else:
            joined.append(op)
    return joined


def _placed(ops: Sequence[DiffOp]) -> list[Hunk]:
    found: list[Hunk] = []
    position = 0
    for op in ops:
        if op.kind != "equal" and op.before != op.after:
            found.append(_tight(Hunk(position, op.before, op.after)))
        position += len(op.before)
    return found


def _tight(hunk: Hunk) -> Hunk:
    """Without the blanks and line breaks at its ends that both sides share."""
    before, after, start = hunk.before, hunk.after, hunk.start
    while before and after and before[0] == after[0] and before[0].isspace():
        before, after, start = before[1:], after[1:], start + 1
    while before and after and before[-1] == after[-1] and before[-1].isspace():
        before, after = before[:-1], after[:-1]
    return Hunk(start, before, after)
