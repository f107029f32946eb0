"""Django in a few lasting threads: bounded, patient with slow clients, and deaf to bodies that are too large."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from aiwriter.core.handler import Handler

_at_once: list[int] = []
_threads: set[int] = set()
_lock = threading.Lock()
_produced: list[int] = []
_over = threading.Event()


def busy(request: HttpRequest) -> HttpResponse:
    with _lock:
        _at_once.append((_at_once[-1] if _at_once else 0) + 1)
        _threads.add(threading.get_ident())
    time.sleep(0.02)
    with _lock:
        _at_once.append(_at_once[-1] - 1)
    return HttpResponse("done")


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


def waits(request: HttpRequest) -> HttpResponse:
    _over.wait(60)
    return HttpResponse("waited")


def _pieces() -> Iterator[bytes]:
    for number in range(1000):
        _produced.append(number)
        yield b"x" * 1000


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_pieces())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(__file__, "rb"))  # noqa: PTH123


urlpatterns = [
    path("busy", busy),
    path("echo", echo),
    path("api/echo", echo),
    path("waits", waits),
    path("stream", stream),
    path("file", file),
]


@pytest.fixture
def handler(settings: Any) -> Handler:
    settings.ROOT_URLCONF = __name__
    settings.WEB_THREADS = 3
    settings.MAX_REQUEST_BYTES = 100_000
    _at_once.clear()
    _threads.clear()
    _produced.clear()
    _over.clear()
    return Handler()


async def _ask(
    handler: Handler, where: str, *, body: list[bytes] | None = None, length: int | None = None, leave_after: int = 0
) -> tuple[int, dict[bytes, bytes], bytes, int]:
    """Status, headers, body, and how many pieces of the request were taken."""
    sent: list[dict[str, Any]] = []
    pieces = body or [b""]
    taken, gone = 0, asyncio.Event()
    address, _, query = where.partition("?")

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken < len(pieces):
            taken += 1
            return {"type": "http.request", "body": pieces[taken - 1], "more_body": taken < len(pieces)}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if leave_after and len(sent) > leave_after:
            gone.set()
            await asyncio.sleep(0.01)

    headers = [(b"host", b"testserver")]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {
        "type": "http",
        "method": "POST" if body else "GET",
        "path": f"/{address}",
        "query_string": query.encode(),
        "headers": headers,
    }
    await handler(scope, receive, send)
    status = sent[0]["status"] if sent else 0
    return status, dict(sent[0]["headers"]) if sent else {}, b"".join(m.get("body", b"") for m in sent[1:]), taken


async def test_it_works_on_few_requests_at_once_in_threads_that_stay(handler: Handler):
    answers = await asyncio.gather(*(_ask(handler, "busy") for _ in range(20)))
    assert [answer[0] for answer in answers] == [200] * 20
    assert max(_at_once) == 3
    assert len(_threads) == 3


async def test_who_waits_takes_no_turn_of_those_who_work(handler: Handler):
    waiting = [asyncio.create_task(_ask(handler, "waits?wait=1")) for _ in range(10)]
    await asyncio.sleep(0.1)
    assert (await _ask(handler, "busy"))[0] == 200
    assert not any(task.done() for task in waiting)
    _over.set()
    assert [answer[2] for answer in await asyncio.gather(*waiting)] == [b"waited"] * 10


async def test_a_body_comes_whole(handler: Handler, settings: Any):
    settings.CSRF_TRUSTED_ORIGINS = []
    status, _, _, taken = await _ask(handler, "echo", body=[b"a" * 1000] * 50, length=50_000)
    # Django's CSRF check answers, after the body was read.
    assert (status, taken) == (403, 50)


@pytest.mark.parametrize("where", ["echo", "api/echo"])
async def test_an_announced_body_that_is_too_large_is_refused_unread(handler: Handler, where: str):
    status, headers, body, taken = await _ask(handler, where, body=[b"a" * 1000] * 500, length=500_000)
    assert (status, taken) == (413, 0)
    assert headers[b"Connection"] == b"close"
    assert b"AIWRITER_MAX_REQUEST_MB" in body
    assert b"Content-Security-Policy" in headers


async def test_a_body_that_grows_too_large_is_refused_while_it_comes(handler: Handler):
    status, _, _, taken = await _ask(handler, "echo", body=[b"a" * 1000] * 500)
    assert status == 413
    assert taken == 101


async def test_a_stream_is_made_piece_by_piece_and_ends_with_its_reader(handler: Handler):
    status, _, body, _ = await _ask(handler, "stream")
    assert (status, len(body)) == (200, 1_000_000)
    _produced.clear()
    await _ask(handler, "stream", leave_after=5)
    assert len(_produced) < 20


async def test_a_file_is_sent(handler: Handler):
    status, _, body, _ = await _ask(handler, "file")
    assert status == 200
    assert body.startswith(b'"""Django in a few')


async def test_a_client_that_leaves_before_its_body_is_there_gets_nothing(handler: Handler):
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "query_string": b"", "headers": []}
    await handler(scope, receive, send)
    assert sent == []
