"""Model backends that are wrong in one way each; `wrong_cases` says which rule finds it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import uuid
from dataclasses import replace
from urllib.parse import urlsplit

from reference_model import Right

from aiwriter_sdk import (
    BackendError,
    EmbedResult,
    Finish,
    Health,
    InvalidRequest,
    Start,
    TextDelta,
    Unavailable,
    Usage,
)

__all__ = ["Right"]


class ConnectsWhenBuilt(Right):
    def __init__(self, config, context):
        super().__init__(config, context)
        parts = urlsplit(config.text("base_url"))
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=1).close()
        except OSError:
            context.logger.debug("not reachable yet")


class StartsThread(Right):
    def __init__(self, config, context):
        super().__init__(config, context)
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()


class HealthIsBad(Right):
    async def health(self, *, control):
        await super().health(control=control)
        return Health(status="fail")


class ClosesOnce(Right):
    closed = False

    async def close(self):
        if self.closed:
            raise BackendError("closed already")
        self.closed = True


class KeepsKey(Right):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.key = config.secret("key").reveal()


class SharesState(Right):
    seen: list[str] = []

    def body(self, request):
        self.seen.append(request.model)
        return super().body(request)


class OneAtATime(Right):
    busy = False

    async def stream(self, request, *, control):
        if self.busy:
            raise Unavailable("busy")
        self.busy = True
        try:
            await asyncio.sleep(0.1)
            async for event in super().stream(request, control=control):
                yield event
        finally:
            self.busy = False


class SameIdTwice(Right):
    async def models(self, *, control):
        return [*await super().models(control=control)] * 2


class FinishTwice(Right):
    def last(self, piece):
        yield from super().last(piece)
        yield Finish(reason=piece["end"])


class NoFinish(Right):
    def last(self, piece):
        return (event for event in super().last(piece) if event != Finish(reason="stop"))


class UsageTwice(Right):
    def last(self, piece):
        events = list(super().last(piece))
        return events[:1] * (len(events) - 1) + events


class UsageBelowZero(Right):
    def last(self, piece):
        for event in super().last(piece):
            yield replace(event, cached_tokens=-1) if isinstance(event, Usage) else event


class StartLate(Right):
    async def stream(self, request, *, control):
        async for event in super().stream(request, control=control):
            if not isinstance(event, Start):
                yield event
            if isinstance(event, TextDelta):
                yield Start(model=request.model)


class StrangeEvent(Right):
    def last(self, piece):
        yield {"kind": "debug"}
        yield from super().last(piece)


class ForgetsLimit(Right):
    def body(self, request):
        return super().body(replace(request, max_output=None))


class ForgetsStop(Right):
    def body(self, request):
        return super().body(replace(request, stop=()))


class KeepsConnection(Right):
    def __init__(self, config, context):
        super().__init__(config, context)
        self._kept = []

    def open(self, request, control):
        return _Kept(self._kept, super().open(request, control))


class _Kept:
    def __init__(self, kept, opened):
        self.kept, self.opened = kept, opened

    async def __aenter__(self):
        response = await self.opened.__aenter__()
        self.kept.append((self.opened, response))
        return response

    async def __aexit__(self, *error):
        return None


class ContextIsInvalid(Right):
    def error(self, status, said, wait):
        return InvalidRequest(said) if said == "context" else super().error(status, said, wait)


class ForgetsSystem(Right):
    def body(self, request):
        return super().body(replace(request, messages=[m for m in request.messages if m.role != "system"]))


class ForgetsBeginning(Right):
    def body(self, request):
        return super().body(replace(request, messages=[m for m in request.messages if m.role != "assistant"]))


class ForgetsJson(Right):
    def body(self, request):
        return super().body(replace(request, json_schema=None))


class PretendsJson(Right):
    """Declares no JSON and takes requests for it."""


class PretendsEmbedding(Right):
    async def embed(self, request, *, control):
        return EmbedResult(vectors=[[0.0]] * len(request.texts), dimensions=1, fingerprint="x")


class PretendsCounting(Right):
    async def count_tokens(self, request, *, control):
        return 0


class CountsNothing(Right):
    async def count_tokens(self, request, *, control):
        return 1


class MixesVectors(Right):
    async def embed(self, request, *, control):
        result = await super().embed(request, control=control)
        return replace(result, vectors=sorted(result.vectors)) if len(result.vectors) < 100 else result


class CutsBatches(Right):
    async def embed(self, request, *, control):
        return await super().embed(replace(request, texts=request.texts[:100]), control=control)


class NewFingerprints(Right):
    async def embed(self, request, *, control):
        return replace(await super().embed(request, control=control), fingerprint=uuid.uuid4().hex)
