"""Finds a passage again in a text that has changed since, by its words and the words around it.

The shape is that of the W3C's text quote selector (https://www.w3.org/TR/annotation-model/#text-quote-selector): exact
words, prefix, suffix; the last known position decides between equal places.
"""

from __future__ import annotations

from collections.abc import Iterator

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
