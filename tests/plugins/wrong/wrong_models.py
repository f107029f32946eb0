"""Model backends that are wrong in one way each; `wrong_cases` says which rule finds it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import unicodedata
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
    ModelInfo,
    RateLimited,
    ReasoningDelta,
    Start,
    TextDelta,
    Unavailable,
    Unsupported,
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


class MangleWords(Right):
    def body(self, request):
        body = super().body(request)
        for message in body["messages"]:
            message["content"] = message["content"].encode("ascii", "replace").decode()
        return body


class TidiesText(Right):
    def parsed(self, data):
        piece = super().parsed(data)
        if "text" in piece:
            piece["text"] = unicodedata.normalize("NFC", piece["text"])
        return piece


class DecodesPieces(Right):
    def lines(self, response):
        return _decoded(response)


async def _decoded(response):
    rest = ""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
        for line in lines:
            yield line
    if rest:
        yield rest


class ForgetsLongLines(Right):
    def lines(self, response):
        return _short_lines(response)


async def _short_lines(response):
    rest = b""
    async for piece in response.aiter_bytes():
        rest += piece
        if len(rest) > 200_000:  # as if no event were that long
            rest = b""
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield line.decode()


class CountsItself(Right):
    def last(self, piece):
        for event in super().last(piece):
            yield replace(event, input_tokens=1) if isinstance(event, Usage) else event


class InventsUsage(Right):
    def last(self, piece):
        return super().last({"usage": (0, 0), **piece})


class HidesLength(Right):
    def last(self, piece):
        return super().last({**piece, "end": piece["end"].replace("length", "stop")})


class HidesFilter(Right):
    def last(self, piece):
        return super().last({**piece, "end": piece["end"].replace("filter", "stop")})


class AuthIsInvalid(Right):
    def error(self, status, said, wait):
        return InvalidRequest(said) if status == 401 else super().error(status, said, wait)


class ForgetsRetryAfter(Right):
    def error(self, status, said, wait):
        return super().error(status, said, None)


class QuotaIsRate(Right):
    def error(self, status, said, wait):
        return RateLimited(said) if said == "quota" else super().error(status, said, wait)


class TriesAgain(Right):
    async def stream(self, request, *, control):
        for attempt in range(2):
            text = False
            try:
                async for event in super().stream(request, control=control):
                    text = True
                    yield event
                return
            except Unavailable:
                if text or attempt:
                    raise


class HealthyWhenGone(Right):
    async def health(self, *, control):
        try:
            return await super().health(control=control)
        except Unavailable:
            return Health(status="ok")


class BeginsAgain(Right):
    async def stream(self, request, *, control):
        for attempt in range(2):
            text = False
            try:
                async for event in super().stream(request, control=control):
                    text = text or isinstance(event, TextDelta)
                    yield event
                return
            except Unavailable:
                if not text or attempt:
                    raise


class FinishesAnyway(Right):
    async def stream(self, request, *, control):
        try:
            async for event in super().stream(request, control=control):
                yield event
        except Unavailable as error:
            if not error.message.startswith("The server ended"):
                raise
            yield Finish()


class SkipsGarbled(Right):
    def lines(self, response):
        return _readable(response)


async def _readable(response):
    async for line in response.aiter_lines():
        try:
            json.loads(line)
        except ValueError:
            continue
        yield line


class RaisesRaw(Right):
    def parsed(self, data):
        return json.loads(data)


class ForgetsDeadline(Right):
    async def stream(self, request, *, control):
        async for event in super().stream(request, control=replace(control, deadline=time.monotonic() + 60)):
            yield event


class SwallowsCancel(Right):
    async def stream(self, request, *, control):
        try:
            async for event in super().stream(request, control=control):
                yield event
        except asyncio.CancelledError:
            yield Finish()


class HealthWrites(Right):
    async def health(self, *, control):
        async with self.context.http.stream(
            "POST", self.url("/chat"), headers=self.headers(), json={"model": "small"}, timeout=control.remaining()
        ) as response:
            await self.check(response)
            await response.aread()
        return Health(status="ok")


class HealthBlocks(Right):
    async def health(self, *, control):
        time.sleep(2.2)
        return await super().health(control=control)


class TellsKey(Right):
    def error(self, status, said, wait):
        error = super().error(status, said, wait)
        error.remedy = f"The request was sent with {self.headers()}"
        return error


class SharesKeys(Right):
    def headers(self):
        return _first_headers.setdefault("all", super().headers())


_first_headers: dict[str, dict[str, str]] = {}


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
