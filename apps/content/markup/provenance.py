"""Where the characters of a text come from: a person, a model, a model and then a person, or a quotation.

The origins are carried from version to version along the differences: what stays keeps its origin, what is new gets one.

* New text of a save that takes a generation over is "ai" where three of its words in a row stand in what the model wrote;
  the rest of it was written by the person.
* New text of any other save is "human". Where a person changes words inside a sentence of a model, the model's part of
  that sentence becomes "ai_edited", and so do the new words while the model's words are the greater part of it.
* New text in a block quotation, or four words or more in quotation marks, is "quoted".

It says how a text came to be in this portal. A text that was pasted in counts as a person's: nobody can see where it was
before.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from apps.content.markup.diff import diff
from apps.content.markup.sentences import sentence_spans

Origin = Literal["human", "ai", "ai_edited", "quoted"]
ORIGINS: tuple[Origin, ...] = ("human", "ai", "ai_edited", "quoted")
_WORD = re.compile(r"[^\W_]+")
_MARKER = re.compile(r"\[\d{1,4}\](?!\()")
_QUOTE = re.compile(r"“[^“”\n]+”|\"[^\"\n]+\"|«[^«»\n]+»|„[^„“”\n]+[“”]")
_BLOCK_QUOTE = re.compile(r"^[ \t]*>[^\n]*\n?", re.MULTILINE)
_END = re.compile(r"[^\w\s]*")
_FEWEST_WORDS = 4
_RUN = 3


class Span(NamedTuple):
    """Characters `start` to before `end` and where they come from; `generation` is the id of the one that wrote them."""

    start: int
    end: int
    origin: Origin
    generation: str = ""


def whole(text: str, origin: Origin, generation: str = "") -> list[Span]:
    """One span for the whole text; none for an empty text."""
    return [Span(0, len(text), origin, generation)] if text else []


def trace(
    before: str, spans: Sequence[Span], after: str, *, written: str | None = None, generation: str = ""
) -> list[Span]:
    """The spans of a text that was changed.

    Args:
        before: the text as it was.
        spans: of `before`; they cover it without gap and overlap.
        after: the text as it is.
        written: what the model wrote, when this change takes a generation over; None for a change by a person.
        generation: id of that generation.

    Returns:
        spans that cover `after` without gap and overlap; neighbours differ.
    """
    first, last = _frame(before, after)
    kept = _cut(spans, 0, first, 0)
    middle_end = len(before) - last
    pieces: list[Span] = list(kept)
    touched: list[tuple[int, int]] = []
    i = j = first
    runs = _Runs(written) if written is not None else None
    for op in diff(before[first:middle_end], after[first : len(after) - last]):
        if op.kind == "equal":
            pieces += _cut(spans, i, i + len(op.before), j - i)
        elif op.after:
            new = _new(after, j, j + len(op.after), runs, generation, pieces)
            touched += _persons_words(after, new)
            pieces += new
        elif runs is None:
            touched.append((j, j))
        i += len(op.before)
        j += len(op.after)
    pieces += _cut(spans, middle_end, len(before), j - i)
    return _joined(_edited(after, _joined(pieces), touched))


def shares(spans: Iterable[Span]) -> dict[str, int]:
    """Characters by origin; every origin is named."""
    found: dict[str, int] = dict.fromkeys(ORIGINS, 0)
    for span in spans:
        found[span.origin] += span.end - span.start
    return found


def as_json(spans: Iterable[Span]) -> list[list[Any]]:
    """Spans as they are kept: [start, end, origin] and the generation where there is one."""
    return [[*span] if span.generation else [*span[:3]] for span in spans]


def from_json(rows: Iterable[Sequence[Any]]) -> list[Span]:
    """The reverse of `as_json`."""
    return [Span(*row) for row in rows]


def _frame(before: str, after: str) -> tuple[int, int]:
    """Characters at both ends that are the same, in whole lines, so that words are compared as words."""
    most = min(len(before), len(after))
    first = _longest(most, lambda n: before[:n] == after[:n])
    if first < most or len(before) != len(after):
        first = before.rfind("\n", 0, first) + 1
    rest = most - first
    last = _longest(rest, lambda n: before[len(before) - n :] == after[len(after) - n :]) if rest else 0
    if last:
        at = before.find("\n", len(before) - last)
        last = len(before) - at - 1 if at >= 0 else 0
    return first, last


def _longest(most: int, same: Any) -> int:
    """The greatest number up to `most` for which `same` holds; it holds for all below."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if same(middle) else (low, middle - 1)
    return low


def _cut(spans: Sequence[Span], start: int, end: int, shift: int) -> list[Span]:
    """The spans of `start` to `end`, moved by `shift`."""
    if start >= end:
        return []
    found = []
    at = max(0, bisect_right(spans, start, key=lambda span: span.start) - 1)
    while at < len(spans) and spans[at].start < end:
        span = spans[at]
        low, high = max(start, span.start), min(end, span.end)
        if low < high:
            found.append(Span(low + shift, high + shift, span.origin, span.generation))
        at += 1
    return found


class _Runs:
    """Runs of words in what a model wrote."""

    def __init__(self, text: str) -> None:
        words = [word.casefold() for word in _WORD.findall(_MARKER.sub(" ", text))]
        self.of = {length: set(zip(*(words[k:] for k in range(length)), strict=False)) for length in range(1, _RUN + 1)}

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where `text` repeats what was written: from the first to the last word of each run."""
        bare = _MARKER.sub(lambda match: " " * len(match[0]), text)
        words = [(match[0].casefold(), match.start(), match.end()) for match in _WORD.finditer(bare)]
        length = min(_RUN, len(words))
        if not length:
            return []
        hit = [False] * len(words)
        for k in range(len(words) - length + 1):
            if tuple(word[0] for word in words[k : k + length]) in self.of[length]:
                hit[k : k + length] = [True] * length
        places: list[tuple[int, int]] = []
        for k, (_, start, end) in enumerate(words):
            if not hit[k]:
                continue
            if k and hit[k - 1]:
                places[-1] = (places[-1][0], end)
            else:
                places.append((start, end))
        # The full stop behind a run belongs to it.
        places = [(start, _END.match(text, end).end()) for start, end in places]  # type: ignore[union-attr]
        if places and hit[0]:
            places[0] = (0, places[0][1])
        if places and hit[-1]:
            places[-1] = (places[-1][0], len(text))
        return places


def _new(after: str, start: int, end: int, runs: _Runs | None, generation: str, before: Sequence[Span]) -> list[Span]:
    """Spans of new text."""
    text = after[start:end]
    if not _WORD.search(text):
        # Marks and white space belong to what they stand behind.
        neighbour = before[-1] if before else Span(0, 0, "human")
        return [Span(start, end, neighbour.origin, neighbour.generation)]
    spans: list[Span] = []
    at = 0
    for first, last in runs.places(text) if runs else []:
        if at < first:
            spans.append(Span(start + at, start + first, "human"))
        spans.append(Span(start + first, start + last, "ai", generation))
        at = last
    if at < len(text):
        spans.append(Span(start + at, end, "human"))
    return _with_quotes(after, start, end, spans)


def _persons_words(after: str, spans: list[Span]) -> list[tuple[int, int]]:
    """From the first to the last word of each span of a person."""
    found = []
    for span in spans:
        if span.origin in ("human", "quoted"):
            words = list(_WORD.finditer(after, span.start, span.end))
            if words:
                found.append((words[0].start(), words[-1].end()))
    return found


def _with_quotes(after: str, start: int, end: int, spans: list[Span]) -> list[Span]:
    line = after.rfind("\n", 0, start) + 1
    stop = after.find("\n", end)
    area = after[line : len(after) if stop < 0 else stop]
    quotes = [match.span() for match in _BLOCK_QUOTE.finditer(area)]
    quotes += [match.span() for match in _QUOTE.finditer(area) if len(_WORD.findall(match[0])) >= _FEWEST_WORDS]
    for low, high in quotes:
        spans = _over(spans, max(start, line + low), min(end, line + high))
    return spans


def _over(spans: list[Span], start: int, end: int) -> list[Span]:
    """The spans with "quoted" over `start` to `end`."""
    if start >= end:
        return spans
    return [*_cut(spans, 0, start, 0), Span(start, end, "quoted"), *_cut(spans, end, spans[-1].end, 0)]


def _edited(text: str, spans: list[Span], touched: list[tuple[int, int]]) -> list[Span]:
    """What a model wrote in the sentences that a person has changed."""
    done = 0
    changed: list[tuple[int, int]] = []
    for low, high in touched:
        for start, end in _sentences_at(text, low, high):
            if start >= done:
                changed.append((start, end))
                done = end
    if not changed:
        return spans
    result: list[Span] = []
    at = 0
    for start, end in changed:
        result += _cut(spans, at, start, 0)
        inside = _cut(spans, start, end, 0)
        counted = shares(inside)
        model = counted["ai"] + counted["ai_edited"]
        takes_in = model >= counted["human"] and model > 0
        names = next((span.generation for span in inside if span.generation), "")
        for span in inside:
            if span.origin == "ai":
                result.append(span._replace(origin="ai_edited"))
            elif span.origin == "human" and takes_in:
                result.append(Span(span.start, span.end, "ai_edited", names))
            else:
                result.append(span)
        at = end
    return result + _cut(spans, at, len(text), 0)


def _sentences_at(text: str, low: int, high: int) -> list[tuple[int, int]]:
    """The sentences that new text lies in; where something was only taken out, the one that is open around the place."""
    start = text.rfind("\n", 0, low) + 1
    end = text.find("\n", high)
    end = len(text) if end < 0 else end
    found = []
    for first, last in sentence_spans(text, start, end):
        if (first < high and low < last) or (
            low == high and first < low < last and text[first:low].strip() and text[low:last].strip()
        ):
            found.append((first, last))
    return found


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        if span.start == span.end:
            continue
        last = joined[-1] if joined else None
        if last and last.origin == span.origin and last.generation == span.generation:
            joined[-1] = last._replace(end=span.end)
        else:
            joined.append(span)
    return joined
