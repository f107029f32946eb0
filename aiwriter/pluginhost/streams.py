"""Reads a stream of events as the contract orders them, with limits of time and size; it calls no plugin code itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from aiwriter.core.patience import Patience
from aiwriter.pluginhost.faults import Origin, violation
from aiwriter_sdk import BackendError, CallControl, Event, ReasoningDelta, TextDelta, TimedOut, Unavailable
from aiwriter_sdk.grammar import EventGrammar, GrammarError

# How long a generator may take to end after Finish, and to stop when it is told to.
STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How long and how much a stream may be.

    Args:
        first: seconds until the first event.
        idle: seconds between two events.
        total: seconds from the call to the last event.
        max_characters: of text, reasoning and tool arguments together.
        max_events: of any kind.
    """

    first: float = 90.0
    idle: float = 60.0
    total: float = 900.0
    max_characters: int = 2_000_000
    max_events: int = 400_000


@dataclass(slots=True)
class End:
    """The plugin's generator has ended, with an error or without."""

    error: BackendError | None


class Silence:
    """Nothing has come in time."""


class Inbox:
    """What a pump hands to its reader, one at a time.

    Bounded, so that a fast backend waits for a slow reader instead of filling the memory.
    """

    def __init__(self) -> None:
        # Silence is put by the end of patience alone, and only while the reader waits before an empty queue.
        self._queue: asyncio.Queue[Event | End | Silence] = asyncio.Queue(maxsize=64)
        self._patience = Patience(self._say_silence)

    async def put(self, item: Event | End) -> None:
        """Hand over; waits while the reader is far behind."""
        await self._queue.put(item)

    async def get(self, seconds: float) -> Event | End | Silence:
        """Take the next one, or `Silence` when it does not come within so many seconds."""
        try:
            return self._queue.get_nowait()
        except asyncio.QueueEmpty:
            pass
        self._patience.wait(seconds)
        try:
            return await self._queue.get()
        finally:
            self._patience.over()

    def close(self) -> None:
        """Stop watching."""
        self._patience.close()

    def _say_silence(self) -> None:
        if self._queue.empty():
            self._queue.put_nowait(Silence())


async def read(inbox: Inbox, control: CallControl, limits: StreamLimits, origin: Origin) -> AsyncGenerator[Event]:
    """The events that a pump puts into `inbox`, until its `End`, held to the grammar and the limits.

    Args:
        inbox: filled by the pump, closed by one `End`.
        control: the deadline of the whole stream.
        limits: see `StreamLimits`.
        origin: whose stream it is.

    Raises:
        BackendError: see `calls.stream`.
    """
    grammar = EventGrammar()
    patience = limits.first
    while True:
        item = await inbox.get(min(patience, control.remaining()))
        if isinstance(item, Silence):
            if grammar.finished:
                break  # all text came; that the generator dawdles afterwards is no reason to lose it
            kind = "longer than" if not control.remaining() else "without a sign of life for"
            raise TimedOut(f"The backend took {kind} {min(patience, limits.total):g} seconds.")
        if isinstance(item, End):
            if item.error is not None and grammar.finished is None:
                raise item.error
            break
        try:
            grammar.accept(item)
        except GrammarError as error:
            raise violation(str(error), origin) from None
        if grammar.characters > limits.max_characters or grammar.events > limits.max_events:
            raise violation("it sent more than a model can write; the limit protects the portal.", origin)
        if time.monotonic() > control.deadline and grammar.finished is None:
            raise TimedOut(f"The backend took longer than {limits.total:g} seconds.")
        patience = STOP_SECONDS if grammar.finished else limits.idle
        if isinstance(item, TextDelta) and "\x00" in item.text:
            item = TextDelta(text=item.text.replace("\x00", ""))
        empty = isinstance(item, TextDelta | ReasoningDelta) and not item.text
        if not empty and item is not grammar.finished:
            yield item
    if grammar.finished is None:
        raise Unavailable(
            "The backend's answer broke off: it ended without saying that it was finished.",
            remedy="Try again; if it stays, tell the author of the plugin.",
        )
    yield grammar.finished
