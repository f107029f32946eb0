"""The OpenAI-compatible endpoint: a plain ASGI app ahead of Django, like the event streams.

A token costs one event here, and a thousand streams need no thread each. Programs sign in with an API token that has the
scope "models.use"; a browser's session opens nothing, so no other site can spend anybody's money.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import orjson

from aiwriter.core import context, draining
from aiwriter.core.clients import client_address
from aiwriter.core.errors import AppError, InvalidInput, NotAuthenticated, NotFound, TooLarge, Unavailable
from aiwriter.core.faults import machine_fault
from aiwriter.core.threads import in_thread
from apps.backends.services.models import AttemptStarted, Completed, Delta, ModelEvent
from apps.content.api import openai_wire as wire
from apps.content.services import completions
from apps.users.selectors.access import Actor
from apps.users.services import limits, tokens

log = logging.getLogger(__name__)
PREFIX = "/v1/"
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
_SECURITY = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class _Gone(Exception):
    """The client has gone."""


class _MethodNotAllowed(AppError):
    code, status = "method_not_allowed", 405


class Exchange:
    """One request and its answer.

    Args:
        scope, receive, send: of ASGI.
    """

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive, self._send = receive, send
        self.headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        self.request_id = context.accept_request_id(self.headers.get(b"x-request-id", ""))
        self.allowance: limits.Allowance | None = None
        self.begun = False

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            TooLarge: it is larger than the limit.
        """
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > wire.MAX_BYTES:
                raise TooLarge(f"The request is larger than {wire.MAX_BYTES // 1024 // 1024} MiB.", remedy="Send less.")
            if not message.get("more_body", False):
                return b"".join(parts)

    async def until_gone(self) -> None:
        """Return when the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(self, status: int, value: Any) -> None:
        """A whole answer as JSON."""
        data = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
        await self._start(status, b"application/json", [(b"content-length", str(len(data)).encode())])
        await self._send({"type": "http.response.body", "body": data})

    async def push(self, data: bytes, *, more: bool = True) -> None:
        """A piece of a streamed answer."""
        if not self.begun:
            await self._start(200, b"text/event-stream; charset=utf-8", [(b"x-accel-buffering", b"no")])
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def fail(self, error: AppError) -> None:
        """An error: as the answer, or as the last event when the answer has begun."""
        body = wire.error_answer(error)
        if self.begun:
            await self.push(wire.event(body), more=False)
        else:
            await self.answer(error.status, body)

    async def _start(self, status: int, kind: bytes, more: list[tuple[bytes, bytes]]) -> None:
        self.begun = True
        told = limits.headers(self.allowance) if self.allowance else {}
        if status == 401:
            told["WWW-Authenticate"] = "Bearer"
        headers = [(b"content-type", kind), (b"x-request-id", self.request_id.encode()), *more, *_SECURITY]
        headers += [(name.lower().encode(), value.encode()) for name, value in told.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


async def serve(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one request below /v1/."""
    exchange = Exchange(scope, receive, send)
    context.request_id.set(exchange.request_id)
    context.client_ip.set(_address(scope, exchange.headers))
    try:
        await _route(exchange)
    except _Gone:
        return
    except AppError as error:
        await exchange.fail(error)
    except Exception as error:
        fault = machine_fault(error)
        if fault is None:
            log.exception("a call of the OpenAI-compatible endpoint failed")
        await exchange.fail(
            fault
            or Unavailable("Something went wrong on the server.", remedy=f"Tell the operator {exchange.request_id}.")
        )


async def _route(exchange: Exchange) -> None:
    method, path = exchange.scope["method"], exchange.scope["path"].rstrip("/")
    actor = await in_thread(_sign_in, exchange)
    if path == "/v1/chat/completions":
        _only(method, "POST")
        await _chat(exchange, actor)
    elif path == "/v1/embeddings":
        _only(method, "POST")
        await _embeddings(exchange, actor)
    elif path == "/v1/models" or path.startswith("/v1/models/"):
        _only(method, "GET")
        await _models(exchange, actor, path.removeprefix("/v1/models").lstrip("/"))
    else:
        raise NotFound("There is nothing at this address.", remedy="Use chat/completions, embeddings or models.")


def _only(method: str, allowed: str) -> None:
    if method != allowed:
        raise _MethodNotAllowed(f"The address knows only {allowed}.")


def _sign_in(exchange: Exchange) -> Actor:
    """Who it is; one request of theirs is counted.

    Raises:
        NotAuthenticated: nobody, or the token is not valid.
        TooManyRequests: it is one too many.
    """
    keyword, _, raw = exchange.headers.get(b"authorization", "").partition(" ")
    if keyword.lower() != "bearer" or not raw.strip():
        raise NotAuthenticated("You did not provide an API key.", remedy="Send Authorization: Bearer aiw_….")
    actor = tokens.authenticate(raw.strip(), context.client_ip.get())
    if actor is None:
        raise NotAuthenticated("Incorrect API key provided: unknown, revoked or expired.", remedy="Make a new token.")
    exchange.allowance = limits.take(actor)
    if exchange.allowance is not None and not exchange.allowance.passed:
        raise limits.refusal(exchange.allowance)
    return actor


async def _models(exchange: Exchange, actor: Actor, wanted: str) -> None:
    found = await in_thread(completions.offered, actor=actor, workspace=_workspace(exchange))
    rows = [
        {"id": offer.id, "object": "model", "created": 0, "owned_by": "aiwriter", "name": offer.step.label}
        for offer in found
    ]
    if not wanted:
        await exchange.answer(200, {"object": "list", "data": rows})
        return
    row = next((row for row in rows if row["id"] == wanted), None)
    if row is None:
        raise NotFound(f"There is no model '{wanted[:60]}'.", field="model", remedy="GET /v1/models lists them.")
    await exchange.answer(200, row)


async def _embeddings(exchange: Exchange, actor: Actor) -> None:
    wish = wire.embed_wish(wire.read_body(await exchange.body()))
    permit = await in_thread(
        completions.admit, actor=actor, model=wish.model, embeds=True, workspace=_workspace(exchange)
    )
    result, model = await completions.vectors(permit, wish.texts)
    await exchange.answer(200, wire.embed_answer(wish, result, model))


async def _chat(exchange: Exchange, actor: Actor) -> None:
    wish = wire.chat_wish(wire.read_body(await exchange.body()))
    permit = await in_thread(completions.admit, actor=actor, model=wish.model, workspace=_workspace(exchange))
    answer = _streamed if wish.stream else _whole
    writing = asyncio.ensure_future(answer(exchange, wish, permit))
    watcher = asyncio.ensure_future(exchange.until_gone())
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def let_go() -> None:
        loop.call_soon_threadsafe(over.set)

    draining.watch(let_go)
    ending = asyncio.ensure_future(over.wait())
    try:
        await asyncio.wait({writing, watcher, ending}, return_when=asyncio.FIRST_COMPLETED)
        if over.is_set() and not writing.done():
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            raise Unavailable("The server is being replaced.", remedy="Send the request again.")
        if not writing.done():
            # The client has gone: the provider is stopped, and what came is billed.
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            raise _Gone
        await writing
    finally:
        draining.leave(let_go)
        ending.cancel()
        watcher.cancel()


async def _whole(exchange: Exchange, wish: wire.ChatWish, permit: completions.Permit) -> None:
    parts: list[str] = []
    end: Completed | None = None
    async with aclosing(completions.complete(permit, wish.request)) as batches:
        async for batch in batches:
            parts += [event.text for event in batch if isinstance(event, Delta)]
            end = next((event for event in batch if isinstance(event, Completed)), end)
    if end is None:
        raise Unavailable("The answer has no end.", remedy="Try again.")
    used = (end.input_tokens, end.output_tokens)
    identifier, created = f"chatcmpl-{permit.id.hex}", int(time.time())
    await exchange.answer(
        200, wire.chat_answer(identifier, created, end.model, "".join(parts), end.finish_reason, used)
    )


async def _streamed(exchange: Exchange, wish: wire.ChatWish, permit: completions.Permit) -> None:
    chunks = wire.Chunks(f"chatcmpl-{permit.id.hex}", int(time.time()), include_usage=wish.include_usage)
    async with aclosing(completions.complete(permit, wish.request)) as batches:
        async for data, more in _pieces(chunks, batches):
            # Nothing is sent before the first word, so that a failure until then has its own status.
            await exchange.push(data if exchange.begun else chunks.begin() + data, more=more)


async def _pieces(
    chunks: wire.Chunks, batches: AsyncGenerator[list[ModelEvent], None]
) -> AsyncGenerator[tuple[bytes, bool], None]:
    async for batch in batches:
        data, end = b"", None
        for event in batch:
            if isinstance(event, Delta):
                data += chunks.text(event.text)
            elif isinstance(event, AttemptStarted):
                chunks.model = event.model
            elif isinstance(event, Completed):
                end = event
        if end is not None:
            chunks.model = end.model or chunks.model
            data += chunks.end(end.finish_reason, (end.input_tokens, end.output_tokens))
        if data:
            yield data, end is None


def _workspace(exchange: Exchange) -> str:
    text = exchange.headers.get(b"x-workspace", "")
    if len(text) > 100:
        raise InvalidInput("X-Workspace is no id or slug.", field="X-Workspace", remedy="Leave it out.")
    return text


def _address(scope: dict[str, Any], headers: dict[bytes, str]) -> str:
    meta = {"REMOTE_ADDR": (scope.get("client") or ("",))[0]}
    if forwarded := headers.get(b"x-forwarded-for"):
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    return client_address(meta)
