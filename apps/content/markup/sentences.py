"""Where sentences end. Rules, not a model: good enough to cut passages at and to find what a citation belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A mark, closing quotes or brackets, then space and something that can begin a sentence.
_END = re.compile(r"[.!?…]+[\"'”’)\]»]*(?=\s+[\"'“‘(\[«]*[A-ZÀ-ÖØ-Þ0-9#*-])|[。！？]|\n{2,}|\n(?=[-*•] |\d+[.)] )")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|etc|vs|al|fig|figs|sec|sect|no|nos|vol|pp?|ch|ed|eds|dr|mr|mrs|ms|prof|st|jr|sr|inc|ltd|co|"
    r"corp|dept|univ|approx|resp|viz|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)|\b[A-Z]|(?<![\w.])\d{1,3})\.$",
    re.IGNORECASE,
)


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans that cover `text[start:end]` without a gap, each a sentence with the white space behind it."""
    end = len(text) if end is None else end
    begin = start
    for match in _END.finditer(text, start, end):
        stop = match.end()
        # An ellipsis leaves something out inside a sentence more often than it ends one.
        if (
            stop <= begin
            or "…" in match[0]
            or ".." in match[0]
            or (match[0].startswith(".") and _ABBREVIATION.search(text[max(begin, stop - 12) : stop]))
        ):
            continue
        while stop < end and text[stop].isspace():
            stop += 1
        yield begin, stop
        begin = stop
    if begin < end:
        yield begin, end
