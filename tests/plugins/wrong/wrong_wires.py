"""Backends that speak to their provider wrongly in one way each; `wrong_cases` says which rule finds it."""

from __future__ import annotations

import asyncio
import json
import time
import unicodedata
from dataclasses import replace

from reference_model import Right

from aiwriter_sdk import (
    Finish,
    Health,
    InvalidRequest,
    RateLimited,
    TextDelta,
    Unavailable,
    Usage,
)


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
