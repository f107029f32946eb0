"""Django behind ASGI, in a few threads that stay.

Django's own ASGI handler gives each request a thread and, on SQLite, a connection of its own, and passes the request
between event loop and thread several times. With a hundred requests at once they fight for the interpreter's lock and for
SQLite's write lock, whose waiters sleep and try again: 100 requests for text took 6 seconds, at 10 ms of work each.
Here a request is read by the event loop, answered from beginning to end by one of a few lasting threads, and sent by the
event loop. Who waits for a turn costs nothing, and who uploads or downloads slowly takes no turn.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeVar
from urllib.parse import parse_qs

from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers import base
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from aiwriter.core.errors import AppError, StorageFull
from aiwriter.core.uploads import request_too_large

R = TypeVar("R")
# Requests that say `?wait=` sleep most of their time; they must not take the turns of those that work.
PATIENT_THREADS = 32


class Handler(ASGIHandler):
    """Answers requests in threads of its own."""

    def __init__(self) -> None:
        base.BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._working = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="web")
        self._patient = ThreadPoolExecutor(PATIENT_THREADS, thread_name_prefix="web-patient")

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one HTTP request."""
        with SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE) as body:
            try:
                refusal = await _read(scope, receive, body)
            except RequestAborted:
                return
            pool = self._patient if "wait" in parse_qs(scope["query_string"].decode("latin-1")) else self._working
            response = await _run(pool, self._answer, scope, body, refusal)
            if refusal is not None:
                # The rest of the body is still coming; without this the server would read it to its end.
                response.headers["Connection"] = "close"
            try:
                await self._deliver(response, receive, send, reading=refusal is None)
            finally:
                if response.streaming:
                    await _run(self._working, response.close)

    def _answer(self, scope: dict[str, Any], body: IO[bytes], refusal: AppError | None) -> HttpResponseBase:
        """In a thread: the whole request, its database connection included."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request: Any
        response: Any
        request, response = self.create_request(scope, body)
        if request is not None:
            request.refusal = refusal
            response = self.get_response(request)
        response._handler_class = self.__class__
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            # Ends the request: the connection goes back before a slow client has taken the answer.
            response.close()
        answered: HttpResponseBase = response
        return answered

    async def _deliver(self, response: HttpResponseBase, receive: Any, send: Any, *, reading: bool) -> None:
        """Send the answer; stop making a streaming one when the client has gone."""
        if response.streaming and not getattr(response, "is_async", False):
            response.streaming_content = self._pieces(iter(response))  # type: ignore[attr-defined]
        sender = asyncio.ensure_future(self.send_response(response, send))
        if not (response.streaming and reading):
            await sender
            return
        watcher = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({sender, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if not sender.done():
                sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
        finally:
            watcher.cancel()
            sender.cancel()

    async def _pieces(self, iterator: Iterator[bytes]) -> AsyncIterator[bytes]:
        """A plain iterator, read piece by piece in a thread; Django would read it to its end into memory first."""
        while (piece := await _run(self._working, next, iterator, None)) is not None:
            yield piece


async def _run(pool: ThreadPoolExecutor, function: Callable[..., R], *args: Any) -> R:
    return await asyncio.get_running_loop().run_in_executor(pool, contextvars.copy_context().run, function, *args)


async def _read(scope: dict[str, Any], receive: Any, body: IO[bytes]) -> AppError | None:
    """Write the body to `body`. Returns why it was not read to its end, or None.

    Raises:
        RequestAborted: the client has gone.
    """
    limit = settings.MAX_REQUEST_BYTES
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        return request_too_large()
    written = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted
        piece = message.get("body", b"")
        written += len(piece)
        if written > limit:
            return request_too_large()
        try:
            body.write(piece)
        except OSError as error:
            body.seek(0)
            return StorageFull(
                f"The request could not be written: {error.strerror}.", remedy="Ask the operator for space."
            )
        if not message.get("more_body", False):
            body.seek(0)
            return None


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
