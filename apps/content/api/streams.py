"""The event streams: a plain ASGI app ahead of Django, because a thousand of them stay open at once.

A stream is opened with a short signed ticket from the API, with an API token, or with the portal's session; the last is
what a browser's EventSource uses when it reconnects after the ticket has expired. Closing a stream stops nothing: the
generation goes on, and the next stream begins behind the last event that was seen.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from aiwriter.core import context, draining
from aiwriter.core.errors import AppError, InvalidInput, NotAuthenticated
from aiwriter.core.threads import in_thread
from aiwriter.core.views import error_body
from apps.content.api.pump import Subscriber, pump
from apps.content.selectors.generations import get_generation
from apps.content.services import tickets
from apps.users.api.authentication import PortalSessionAuthentication, TokenAuthentication, actor_of

EVENTS_PATH = re.compile(r"/api/v1/generations/(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/events")
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

_SECURITY = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
# Proxies such as nginx would gather the events before they pass them on.
_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"), *_SECURITY]
_MILLISECONDS_TO_RETRY = b"retry: 1000\n\n"


async def stream_events(scope: dict[str, Any], receive: Receive, send: Send, *, generation_id: str) -> None:
    """Serve one stream.

    Args:
        scope, receive, send: of ASGI.
        generation_id: from the path.
    """
    headers = dict(scope["headers"])
    request_id = context.accept_request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
    try:
        if scope["method"] != "GET":
            await _refuse(send, 405, "method_not_allowed", "The address knows only GET.", request_id)
            return
        query = parse_qs(scope["query_string"].decode("latin-1"))
        seq = _after(headers, query)
        ticket = query.get("ticket", [""])[0]
        if not (ticket and tickets.is_valid(ticket, generation_id)):
            await in_thread(_authorise, scope, generation_id)
    except AppError as error:
        await _refuse(send, error.status, error.code, str(error), request_id, error.details)
        return
    await _serve(receive, send, uuid.UUID(generation_id), seq, request_id)


async def _serve(receive: Receive, send: Send, generation_id: uuid.UUID, seq: int, request_id: str) -> None:
    loop = asyncio.get_running_loop()
    subscriber = Subscriber(generation_id, seq, loop, quiet_since=time.monotonic())
    start = [*_STREAM, (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": _MILLISECONDS_TO_RETRY, "more_body": True})
    pump.join(subscriber)

    def let_go() -> None:
        # This process is ending: a whole answer, after which the reader asks the next one with the last number.
        subscriber.ended = True
        loop.call_soon_threadsafe(subscriber.wake)

    draining.watch(let_go)
    watcher = loop.create_task(_until_gone(receive, subscriber))
    try:
        while True:
            if not subscriber.waiting and not _is_over(subscriber):
                subscriber.waker = loop.create_future()
                await subscriber.waker
                subscriber.waker = None
            data, subscriber.waiting = subscriber.waiting, []
            subscriber.size = 0
            if subscriber.dropped or watcher.done():
                break
            if data:
                body = data[0] if len(data) == 1 else b"".join(data)
                await send({"type": "http.response.body", "body": body, "more_body": True})
            if _is_over(subscriber) and not subscriber.waiting:
                break
        if not watcher.done():
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        watcher.cancel()
        draining.leave(let_go)
        pump.leave(subscriber)


def _is_over(subscriber: Subscriber) -> bool:
    return subscriber.ended or subscriber.dropped or subscriber.missing


async def _until_gone(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.dropped = True
    subscriber.wake()


def _after(headers: dict[bytes, bytes], query: dict[str, list[str]]) -> int:
    text = headers.get(b"last-event-id", b"").decode("latin-1") or query.get("after", ["0"])[0]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(f"'{text[:20]}' is no number of an event.", field="after", remedy="Send the id of an event.")
    return int(text)


def _authorise(scope: dict[str, Any], generation_id: str) -> None:
    """Who is it, and may they read it? The same authenticators as everywhere in the API.

    Raises:
        NotAuthenticated, NotFound, PermissionDenied: no.
    """
    request: Any = ASGIRequest(scope, BytesIO())
    engine = import_module(settings.SESSION_ENGINE)
    request.session = engine.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    request.user = get_user(request)
    asked = Request(request, authenticators=[TokenAuthentication(), PortalSessionAuthentication()])
    try:
        signed_in = asked.user
    except APIException as error:
        raise NotAuthenticated(str(error.detail), remedy="Ask for a new token.") from error
    if signed_in is None:
        raise NotAuthenticated("Nobody is signed in.", remedy="Sign in, or send an API token.")
    get_generation(actor=actor_of(asked), generation_id=generation_id)


async def _refuse(send: Send, status: int, code: str, message: str, request_id: str, details: Any = ()) -> None:
    token = context.request_id.set(request_id)
    body = orjson.dumps(error_body(code, message, tuple(details)))
    context.request_id.reset(token)
    headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode()), *_SECURITY]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
