"""Reads a stream of events as the contract orders them, with limits of time and size; it calls no plugin code itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

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


async def read(
    queue: asyncio.Queue[Event | End], control: CallControl, limits: StreamLimits, origin: Origin
) -> AsyncGenerator[Event]:
    """The events that a pump puts into `queue`, until its `End`, held to the grammar and the limits.

    Args:
        queue: filled by the pump, closed by one `End`.
        control: the deadline of the whole stream.
        limits: see `StreamLimits`.
        origin: whose stream it is.

    Raises:
        BackendError: see `calls.stream`.
    """
    grammar = EventGrammar()
    patience = limits.first
    while True:
        try:
            item = queue.get_nowait()
        except asyncio.QueueEmpty:
            if (waited := await _wait(queue, min(patience, control.remaining()))) is None:
                if grammar.finished:
                    break  # all text came; that the generator dawdles afterwards is no reason to lose it
                kind = "longer than" if not control.remaining() else "without a sign of life for"
                raise TimedOut(f"The backend took {kind} {min(patience, limits.total):g} seconds.") from None
            item = waited
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


async def _wait(queue: asyncio.Queue[Event | End], seconds: float) -> Event | End | None:
    try:
        async with asyncio.timeout(seconds):
            return await queue.get()
    except TimeoutError:
        return None
