"""The scripted server and the plain client, against each other over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest

from aiwriter_sdk import InvalidRequest, TimedOut, Unavailable
from aiwriter_sdk.testing.http import PlainHttpClient
from aiwriter_sdk.testing.wire import Cut, Pause, WireReply, WireRequest, WireServer

TEXT = "é漢🙂\u2028x"


def run(work: Callable[[PlainHttpClient], Awaitable[object]]) -> object:
    async def whole() -> object:
        return await work(PlainHttpClient(timeout=5))

    return asyncio.run(whole())


async def lines(client: PlainHttpClient, url: str, **options: object) -> list[str]:
    async with client.stream("POST", url, json={"q": TEXT}, **options) as response:  # type: ignore[arg-type]
        assert response.headers["CONTENT-type"]
        return [line async for line in response.aiter_lines()]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_lines_come_whole_however_they_are_split(size: int) -> None:
    body = f"one {TEXT}\r\ntwo\n\nlast".encode()
    reply = WireReply(steps=tuple(body[at : at + size] for at in range(0, len(body), size)))
    with WireServer(lambda request: reply) as server:
        assert run(lambda client: lines(client, server.url)) == [f"one {TEXT}", "two", "", "last"]


def test_the_request_arrives_as_it_was_sent() -> None:
    with WireServer(lambda request: WireReply.json({"ok": True})) as server:
        run(lambda client: lines(client, f"{server.url}/v1/chat?x=1", headers={"X-Key": "k"}))
        request = server.requests[0]
    assert (request.method, request.path, request.headers["x-key"]) == ("POST", "/v1/chat?x=1", "k")
    assert request.json() == {"q": TEXT}
    assert TEXT in json.loads(request.text())["q"]


def test_events_are_written_as_providers_write_them() -> None:
    assert WireReply.sse([("delta", {"t": "é"}), "[DONE]"]).steps == (
        'event: delta\ndata: {"t": "é"}\n\n'.encode(),
        b"data: [DONE]\n\n",
    )
    assert WireReply.lines([{"a": 1}]).steps == (b'{"a": 1}\n',)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "20"}])
def test_a_cut_is_noticed(headers: dict[str, str]) -> None:
    with (
        WireServer(lambda request: WireReply(steps=(b"abc", Cut()), headers=headers)) as server,
        pytest.raises(Unavailable),
    ):
        run(lambda client: lines(client, server.url))


def test_silence_is_limited_and_the_server_sees_the_end() -> None:
    with WireServer(lambda request: WireReply(steps=(b"abc\n", Pause(30)))) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            run(lambda client: lines(client, server.url, timeout=0.2))
        assert time.monotonic() - started < 2
        assert server.exchanges[0].wait_closed(1)
        assert server.exchanges[0].closed_by == "client"


def test_a_steady_trickle_is_not_silence() -> None:
    steps = tuple(step for _ in range(8) for step in (Pause(0.1), b"x\n"))
    with WireServer(lambda request: WireReply(steps=steps)) as server:
        assert run(lambda client: lines(client, server.url, timeout=0.4)) == ["x"] * 8
        assert server.exchanges[0].wait_closed(1)
        assert server.exchanges[0].closed_by == "server"


def test_nobody_there_is_unavailable() -> None:
    with WireServer(lambda request: WireReply()) as server:
        url = server.url
    with pytest.raises(Unavailable):
        run(lambda client: lines(client, url))


def test_answers_have_a_limit() -> None:
    async def work() -> None:
        async with PlainHttpClient(max_body=1000).stream("GET", server.url) as response:
            await response.aread()

    with (
        WireServer(lambda request: WireReply(steps=(b"x" * 700, b"x" * 700))) as server,
        pytest.raises(Unavailable, match="longer than 1000"),
    ):
        asyncio.run(work())


@pytest.mark.parametrize(
    ("url", "headers"), [("ftp://x/y", {}), ("file:///etc/passwd", {}), ("http://x", {"A": "b\r\nC: d"})]
)
def test_what_cannot_be_sent_is_refused(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        run(lambda client: lines(client, url, headers=headers))


def test_a_script_that_raises_is_reported() -> None:
    def script(request: WireRequest) -> WireReply:
        raise KeyError("no such path")

    with WireServer(script) as server:
        assert "no such path" in str(run(lambda client: lines(client, server.url)))
        assert isinstance(server.faults[0], KeyError)
