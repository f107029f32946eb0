"""Passages and requests for tests of the embedded backend."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, cast

from aiwriter_model_offline.backend import OfflineBackend

from aiwriter_sdk import (
    BackendContext,
    CallControl,
    Config,
    Event,
    GenerateRequest,
    HttpClient,
    Message,
    Passage,
    Task,
    TextDelta,
)

LOCKS = (
    "A canal lock raises and lowers boats between stretches of water of different levels. The chamber of a lock is closed by "
    "gates at both ends. Water flows into the chamber through sluices until its level is that of the upper stretch.",
    "Lock keepers open the sluices slowly because a sudden flow would throw boats against the wall. Each passage uses the "
    "water of one chamber. Canals in dry countries save water with side ponds that keep a part of each filling.",
)
BRIDGES = (
    "The stone arch carries its load by compression alone. Roman builders set arches without any mortar at all.",
    "A suspension bridge hangs its deck from steel cables. The cables are anchored in blocks of concrete at both ends.",
)


def passages() -> list[Passage]:
    """Four passages of two sources, with headings, and boilerplate between them."""
    return [
        Passage(
            marker="1", title="Inland waterways", text=LOCKS[0], score=0.8, locator="Inland waterways > 1. Locks, p. 3"
        ),
        Passage(
            marker="2",
            title="Inland waterways",
            text="Copyright 2020 The Canal Society. All rights reserved. Distribution of this memo is unlimited to all readers.",
            score=0.7,
            locator="Inland waterways > Copyright Notice, p. 1",
        ),
        Passage(
            marker="3",
            title="Inland waterways",
            text=LOCKS[1],
            score=0.7,
            locator="Inland waterways > 2. Saving water, p. 9",
        ),
        Passage(marker="4", title="Bridges", text=BRIDGES[0], score=0.6, locator="Bridges > 1.1. Stone arches, p. 4"),
        Passage(marker="5", title="Bridges", text=BRIDGES[1], score=0.6, locator="Bridges > 1.2. Hanging decks, p. 6"),
    ]


def backend(embedder: str = "lexical") -> OfflineBackend:
    """The backend, with an HTTP client that does not exist: it must not be missed."""
    context = BackendContext(
        http=cast(HttpClient, None), logger=logging.getLogger("tests.offline"), data_dir="/nonexistent"
    )
    return OfflineBackend(Config({"embedder": embedder, "threads": 1}), context)


def request(
    kind: str = "draft",
    *,
    written: str = "",
    given: Sequence[Passage] | None = None,
    messages: Sequence[Message] | None = None,
    instruction: str = "",
    options: dict[str, Any] | None = None,
    **params: object,
) -> GenerateRequest:
    """A request as the host makes it."""
    turns = list(messages or [Message(role="user", content="Write it.")])
    if written:
        turns.append(Message(role="assistant", content=written))
    return GenerateRequest(
        model="",
        messages=turns,
        task=Task(kind=kind, instruction=instruction, params=params),
        passages=passages() if given is None else given,
        **(options or {}),
    )


def control(seconds: float = 60) -> CallControl:
    """Time enough, unless told otherwise."""
    return CallControl(deadline=time.monotonic() + seconds)


def events(asked: GenerateRequest, embedder: str = "lexical") -> list[Event]:
    """Everything that the backend answers."""

    async def run() -> list[Event]:
        return [event async for event in backend(embedder).stream(asked, control=control())]

    return asyncio.run(run())


def write(asked: GenerateRequest, embedder: str = "lexical") -> str:
    """The text that the backend writes."""
    return "".join(event.text for event in events(asked, embedder) if isinstance(event, TextDelta))
