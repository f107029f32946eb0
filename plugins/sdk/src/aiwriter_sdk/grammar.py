"""The order in which a model backend's events may come, as a small automaton.

The host runs it over every stream and the conformance suite over the author's tests, so both mean the same.
"""

from __future__ import annotations

from typing import get_args

from aiwriter_sdk.models import Event, Finish, ReasoningDelta, Start, TextDelta, ToolCall, Usage

_EVENTS = get_args(Event)
# A tuple made once: a union in the call would be made anew for every event.
_TEXTS = (TextDelta, ReasoningDelta)
_REASONS = frozenset({"stop", "length", "filter", "tool"})
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class GrammarError(Exception):
    """An event came that may not come here; the message says which and why."""


class EventGrammar:
    """`Start` at most once and first, any deltas and tool calls, at most one `Usage`, exactly one `Finish`, last.

    Attributes:
        finished: the `Finish` that came, or None.
        usage: the `Usage` that came, or None.
        characters: of text, reasoning and tool arguments so far.
        events: how many came.
    """

    def __init__(self) -> None:
        self.finished: Finish | None = None
        self.usage: Usage | None = None
        self.characters = 0
        self.events = 0

    def accept(self, event: object) -> None:
        """Judge the next event.

        Raises:
            GrammarError: it may not come here, or its values are impossible.
        """
        self.events += 1
        if self.finished is not None:
            raise GrammarError(f"{type(event).__name__} came after Finish, which must be the last event.")
        if isinstance(event, _TEXTS):
            self.characters += _length(event.text, type(event).__name__)
        elif isinstance(event, Usage):
            self._count(event)
        elif isinstance(event, Finish):
            if event.reason not in _REASONS:
                raise GrammarError(f"Finish has the unknown reason {event.reason!r}.")
            self.finished = event
        elif isinstance(event, Start):
            if self.events != 1:
                raise GrammarError("Start came late or twice; it must be the first event.")
            _length(event.model, "Start")
        elif isinstance(event, ToolCall):
            self.characters += _length(event.arguments, "ToolCall")
        else:
            known = ", ".join(kind.__name__ for kind in _EVENTS)
            raise GrammarError(f"{type(event).__name__} is not an event; the events are {known}.")

    def end(self) -> None:
        """Judge the end of the stream.

        Raises:
            GrammarError: no `Finish` came.
        """
        if self.finished is None:
            raise GrammarError("The stream ended without Finish.")

    def _count(self, usage: Usage) -> None:
        if self.usage is not None:
            raise GrammarError("Usage came twice; report it once, before Finish.")
        for name in _COUNTS:
            value = getattr(usage, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise GrammarError(f"Usage.{name} is {value!r}, not a count.")
        self.usage = usage


def _length(text: object, where: str) -> int:
    if not isinstance(text, str):
        raise GrammarError(f"{where} holds {type(text).__name__} instead of text.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise GrammarError(f"{where} holds half a character (a lone surrogate).") from None
    return len(text)
