"""Going on with a text that is already begun, for providers that continue an assistant's message and for those that do not.

A last message of role `assistant` is text already written (see `Message`). Some providers go on with it in the same breath
("prefill"); others refuse it or answer with a new turn, and have to be told.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiwriter_sdk.models import Message

GO_ON = (
    "Continue exactly where your last message ends. Repeat none of it, do not begin anew, and add no remark of your own: "
    "begin with the very next word."
)
_TAIL = 400
_LEAST = 8
# From here on (CJK) words are not parted by spaces.
_NO_SPACES = "\u2e80"


def begun(messages: Sequence[Message]) -> str:
    """The text that is to be gone on with; empty where there is none."""
    return messages[-1].content if messages and messages[-1].role == "assistant" else ""


def told(messages: Sequence[Message]) -> list[Message]:
    """The conversation with the instruction to go on at its end, where it ends with begun text."""
    return [*messages, Message(role="user", content=GO_ON)] if begun(messages) else list(messages)


class Seam:
    """Joins what a model writes to the text before it: no word twice, no two words run together.

    Give it the deltas in order and show what it returns; it holds back only as long as the model might be repeating the
    end of the text.

    Args:
        written: the text so far; empty lets everything through.
        instructed: the model was told to go on (`told`) and answers with a turn of its own.
    """

    def __init__(self, written: str, *, instructed: bool) -> None:
        self._open = bool(written)
        self._instructed = instructed
        self._ends_blank = written[-1:].isspace()
        self._tail = written.rstrip()[-_TAIL:]
        self._held = ""

    def feed(self, delta: str) -> str:
        """The part of the text that may be shown now."""
        if not self._open:
            return delta
        self._held += delta
        start = self._held.lstrip()
        if not start or (self._instructed and start in self._tail):
            return ""
        return self._join()

    def end(self) -> str:
        """What is still held back when the model has finished."""
        if not self._open:
            return ""
        if self._instructed and len(self._held.strip()) >= _LEAST and self._tail.endswith(self._held.strip()):
            return ""
        return self._join()

    def _join(self) -> str:
        self._open = False
        start = self._held.lstrip()
        if self._instructed and (repeated := self._repeated(start)):
            rest = start[repeated:]
            return rest.lstrip() if self._ends_blank else rest
        if self._ends_blank:
            return start
        if self._instructed and start == self._held and self._needs_space(start):
            return f" {start}"
        return self._held

    def _repeated(self, start: str) -> int:
        """How many characters at the start repeat the end of the text, from the start of a word on."""
        for size in range(min(len(start), len(self._tail)), _LEAST - 1, -1):
            whole_word = size == len(self._tail) or self._tail[-size - 1].isspace()
            if whole_word and start.startswith(self._tail[-size:]):
                return size
        return 0

    def _needs_space(self, start: str) -> bool:
        before, after = self._tail[-1:], start[:1]
        if not before or before >= _NO_SPACES or after >= _NO_SPACES:
            return False
        return (before.isalnum() or before in ".,;:!?)]”’\"'") and (after.isalnum() or after in "([“‘\"'")
