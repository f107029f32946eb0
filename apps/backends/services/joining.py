"""Joins what a second attempt writes to what the first one wrote, so that no word stands there twice.

A backend that declares "continue" promises to go on where the text ends, and mostly does; one that does not is told to go
on and answers with a turn of its own, often with a repetition of the last words. The one is watched for a plain, long
repetition, the other is joined by the SDK's `Seam`, which is stricter and also mends the space between two words.
"""

from __future__ import annotations

import re
from typing import Protocol

from aiwriter_sdk.continuation import Seam

_TAIL = 400
# Shorter than this a repetition is likelier meant ("again and again", the next row of dashes of a table) than a mistake.
_LEAST = 24
_LEAST_WORDS = 3
_WORD = re.compile(r"\w+")


class Joiner(Protocol):
    """Takes deltas in order, gives what may be shown."""

    def feed(self, delta: str) -> str:
        """The part of the text that may be shown now."""
        ...

    def end(self) -> str:
        """What is still held back at the end of the answer."""
        ...


def joiner(written: str, *, continues: bool) -> Joiner:
    """The joiner for the next attempt.

    Args:
        written: all text so far.
        continues: whether the model declares the capability "continue".
    """
    if continues or not written:
        return Overlap(written)
    return Seam(written, instructed=True)


class Overlap:
    """Drops the start of an answer where it repeats the end of the text before it.

    It holds text back only as long as the answer so far stands somewhere in the last `_TAIL` characters of the text, so
    the first words that differ are shown at once.
    """

    def __init__(self, written: str) -> None:
        self._tail = written[-_TAIL:]
        self._held = ""
        self._open = bool(self._tail.strip())

    def feed(self, delta: str) -> str:
        """The part of the text that may be shown now."""
        if not self._open:
            return delta
        self._held += delta
        if self._held in self._tail:
            return ""
        return self._release()

    def end(self) -> str:
        """What is still held back at the end of the answer."""
        return self._release() if self._open else ""

    def _release(self) -> str:
        self._open = False
        held, self._held = self._held, ""
        return held[overlap(self._tail, held) :]


def overlap(tail: str, start: str) -> int:
    """How many characters at the beginning of `start` repeat the end of `tail`, as far as that is surely a mistake."""
    for size in range(min(len(tail), len(start)), _LEAST - 1, -1):
        if tail.endswith(start[:size]):
            repeated = start[:size]
            return size if len(set(_WORD.findall(repeated))) >= _LEAST_WORDS else 0
    return 0
