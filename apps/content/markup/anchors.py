"""Finds a passage again in a text that has changed since, by its words and the words around it.

The shape is that of the W3C's text quote selector (https://www.w3.org/TR/annotation-model/#text-quote-selector): exact
words, prefix, suffix; the last known position decides between equal places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

CONTEXT = 40
# The context is given up step by step: what stands next to the passage may have been changed, too.
_STEPS = (CONTEXT, 20, 10, 5, 0)


def context(text: str, start: int, end: int) -> tuple[str, str]:
    """The words before and after a passage, as `locate` wants them."""
    return text[max(0, start - CONTEXT) : start], text[end : end + CONTEXT]


def locate(text: str, exact: str, *, prefix: str, suffix: str, start: int) -> int | None:
    """Where the passage begins now.

    Args:
        text: the whole text as it is.
        exact: the passage; "" for a place between two characters.
        prefix, suffix: of `context`.
        start: where it was.

    Returns:
        the position in characters, or None when it is gone or cannot be told from others.
    """
    if not exact and not prefix and not suffix:
        return 0 if not text.strip() else None
    for before in _STEPS:
        for after in _STEPS:
            head, tail = prefix[len(prefix) - before :] if before else "", suffix[:after]
            if (before > len(prefix) and before != CONTEXT) or (after > len(suffix) and after != CONTEXT):
                continue
            if not exact and len((head + tail).strip()) < 5:
                continue
            found = [at + len(head) for at in _places(text, head + exact + tail)]
            if len(found) == 1:
                return found[0]
            if found:
                return min(found, key=lambda at: abs(at - start))
    return None


def _places(text: str, words: str) -> Iterator[int]:
    at = text.find(words)
    while at >= 0:
        yield at
        at = text.find(words, at + 1)


def find_passage(text: str, quote: str, occurrence: int = 0) -> tuple[int, int] | None:
    """Where a quote stands in Markdown, although the quote may be the bare words as a reader sees them.

    Args:
        text: Markdown.
        quote: a passage of it, word for word, or its words without the signs between them.
        occurrence: which one, from 0, where it stands more than once; the last one when there are fewer.

    Returns:
        (start, end) in characters, or None.
    """
    words = quote.split()
    if not words:
        return None
    patterns = (
        r"\s+".join(map(re.escape, words)),
        _BETWEEN.join(_bare(word) for word in words),
    )
    for pattern in patterns:
        found = list(islice(re.finditer(pattern, text), occurrence + 1))
        if found:
            return found[-1].span()
    return None


def moved(before: str, after: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a passage went when a text was changed in one stretch.

    Args:
        before, after: the whole text.
        start, end: the passage in `before`.

    Returns:
        (start, end) in `after`; None when nothing of it is left, or too much changed to tell.
    """
    head = _common(before, after)
    tail = min(_common(before[head:][::-1], after[head:][::-1]), len(before) - head, len(after) - head)
    old_end, new_end = len(before) - tail, len(after) - tail
    shift = len(after) - len(before)
    if end <= head:
        return start, end
    if start >= old_end:
        return start + shift, end + shift
    if start >= head and end <= old_end and (start, end) != (head, old_end):
        # The change holds the whole passage: only its words can tell.
        return None
    begin = start if start <= head else new_end if start >= old_end else head
    finish = end + shift if end >= old_end else new_end
    if finish <= begin or finish - begin > 4 * (end - start) + 200:
        return None
    return begin, finish


def _common(one: str, other: str) -> int:
    """The length of the common beginning, by halves: comparing slices is faster than looking at each character."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


# What Markdown may put between two words that a reader sees beside each other.
_BETWEEN = r"[\s*_~`>#|\\]+(?:(?:[-+*]|\d+[.)])\s+)?[*_~`]*"


def _bare(word: str) -> str:
    return "".join(f"[*_~`\\\\]*{re.escape(letter)}" if not letter.isalnum() else re.escape(letter) for letter in word)
