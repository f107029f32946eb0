"""Backends without a network that are wrong in one way each; `wrong_cases` says which rule finds it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from reference_model import Right

from aiwriter_sdk import Finish, Health, InvalidRequest, ModelInfo, ReasoningDelta, TextDelta, Unsupported


class OfflineRight(Right):
    words = [
        "The",
        "harbour",
        "of",
        "Visby",
        "was",
        "dug",
        "by",
        "hand",
        "and",
        "ferries",
        "have",
        "used",
        "it",
        "ever",
        "since",
        "that",
        "time",
        "of",
        "old",
    ]

    async def health(self, *, control):
        return Health(status="ok")

    async def models(self, *, control):
        return [ModelInfo(id="rules")]

    async def stream(self, request, *, control):
        if request.json_schema is not None:
            raise Unsupported("rules write no JSON")
        written = ""
        for number, word in enumerate(self.words):
            if request.max_output is not None and number >= request.max_output:
                yield Finish(reason="length")
                return
            if any(stop in written + word for stop in request.stop):
                break
            written += f"{word} "
            yield TextDelta(text=f"{word} ")
        yield Finish()

    async def embed(self, request, *, control):
        return await super(Right, self).embed(request, control=control)


class OfflineCalls(OfflineRight):
    async def stream(self, request, *, control):
        try:
            await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        except OSError:
            yield ReasoningDelta(text="no network")
        async for event in super().stream(request, control=control):
            yield event


class OfflineEndless(OfflineRight):
    async def stream(self, request, *, control):
        async for event in super().stream(replace(request, max_output=None), control=control):
            yield event


class OfflineNoStop(OfflineRight):
    async def stream(self, request, *, control):
        async for event in super().stream(replace(request, stop=()), control=control):
            yield event


class OfflineChokes(OfflineRight):
    async def stream(self, request, *, control):
        if sum(len(message.content) for message in request.messages) > 100_000:
            raise InvalidRequest("too long")
        async for event in super().stream(request, control=control):
            yield event
