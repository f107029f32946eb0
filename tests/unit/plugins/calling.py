"""Short ways to build a backend and to call it."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

from aiwriter_sdk import (
    Backend,
    BackendContext,
    BackendError,
    CallControl,
    Config,
    Event,
    GenerateRequest,
    Message,
    ModelBackend,
    Secret,
    TextDelta,
)
from aiwriter_sdk.testing.http import PlainHttpClient

_B = TypeVar("_B", bound=Backend)


def build(
    kind: type[_B], options: Mapping[str, object], secrets: Mapping[str, str] | None = None, *, data_dir: str = ""
) -> _B:
    """A backend with these options, over plain HTTP."""
    values = {**options, **{name: Secret(value) for name, value in (secrets or {}).items()}}
    context = BackendContext(http=PlainHttpClient(), logger=logging.getLogger("plugins.test"), data_dir=data_dir)
    return kind(Config(values), context)


def within(seconds: float = 20.0) -> CallControl:
    """A deadline so many seconds from now."""
    return CallControl(deadline=time.monotonic() + seconds)


def asking(model: str, *turns: str | Message, **options: Any) -> GenerateRequest:
    """A request; texts are the user's."""
    messages = [Message(role="user", content=turn) if isinstance(turn, str) else turn for turn in turns]
    return GenerateRequest(model=model, messages=messages or [Message(role="user", content="Write.")], **options)


async def write(backend: ModelBackend, model: str, *turns: str | Message, **options: Any) -> list[Event]:
    """All events of an answer."""
    return [event async for event in backend.stream(asking(model, *turns, **options), control=within())]


async def write_until_error(
    backend: ModelBackend, model: str, *turns: str | Message, **options: Any
) -> tuple[str, BackendError | None]:
    """The text that came, and the error that ended it."""
    return await until_error(backend.stream(asking(model, *turns, **options), control=within()))


async def until_error(stream: AsyncIterator[Event]) -> tuple[str, BackendError | None]:
    """The text of a stream that was begun, and the error that ended it."""
    events: list[Event] = []
    try:
        async for event in stream:
            events.append(event)
    except BackendError as error:
        return text_of(events), error
    return text_of(events), None


def text_of(events: Sequence[Event]) -> str:
    """The text that the events make."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def begun(text: str) -> Message:
    """Text already written."""
    return Message(role="assistant", content=text)
