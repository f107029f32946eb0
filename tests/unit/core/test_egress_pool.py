"""Answers that come in pieces: whole, silent, broken off and stopped, plain and over TLS, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from aiwriter.core import egress, loops
from aiwriter.core.egress import GuardedClient
from aiwriter_sdk import TimedOut, Unavailable
from tests.servers.certificates import certificate

PIECES = [b"one", b"two", b"three"]
# The one that the client will choose, so that the server need not listen on both.
ADDRESS = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0][4][0]
ALLOWED = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

pytestmark = pytest.mark.parametrize("loop", [asyncio.new_event_loop, loops.new_event_loop], ids=["asyncio", "ours"])
Loop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=["plain", "tls"])
def server_tls(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """What the server speaks; the guard trusts its certificate."""
    return _tls("localhost", tmp_path, monkeypatch) if request.param == "tls" else None


def _tls(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    public, private = certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    trusted = ssl.create_default_context(cafile=public)
    monkeypatch.setattr(egress, "_trusted", lambda: trusted)
    return context


@contextlib.asynccontextmanager
async def _serving(end: str, tls: ssl.SSLContext | None) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that answers in pieces, and what it saw."""
    seen: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            seen.append("connection")
            while await reader.readuntil(b"\r\n\r\n"):
                seen.append("request")
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for piece in PIECES:
                    writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    await writer.drain()
                    await asyncio.sleep(0.02)
                if end == "silence":
                    await reader.read()
                    seen.append("left")
                if end != "whole":
                    break
                writer.write(b"0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, ADDRESS, 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://localhost:{port}/", seen


def _run(loop: Loop, work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(bounded())


async def _read(client: GuardedClient, url: str, into: list[bytes], timeout: float = 10.0) -> None:
    async with client.stream("GET", url, timeout=timeout) as response:
        async for piece in response.aiter_bytes():
            into.append(piece)


def test_a_whole_answer_leaves_the_connection_for_the_next(loop: Loop, server_tls: ssl.SSLContext | None) -> None:
    async def work() -> None:
        client = GuardedClient(allowed=ALLOWED)
        async with _serving("whole", server_tls) as (url, seen):
            for _ in range(2):
                pieces: list[bytes] = []
                await _read(client, url, pieces)
                assert b"".join(pieces) == b"".join(PIECES)
            assert seen == ["connection", "request", "request"]
            await client.aclose()

    _run(loop, work)


def test_silence_is_not_waited_for(loop: Loop, server_tls: ssl.SSLContext | None) -> None:
    async def work() -> None:
        client = GuardedClient(allowed=ALLOWED)
        async with _serving("silence", server_tls) as (url, seen):
            pieces: list[bytes] = []
            begun = time.monotonic()
            with pytest.raises(TimedOut):
                await _read(client, url, pieces, timeout=0.5)
            assert b"".join(pieces) == b"".join(PIECES)
            assert time.monotonic() - begun >= 0.5
            while seen[-1] != "left":
                await asyncio.sleep(0.01)

    _run(loop, work)


def test_a_broken_answer_is_named(loop: Loop, server_tls: ssl.SSLContext | None) -> None:
    async def work() -> None:
        client = GuardedClient(allowed=ALLOWED)
        async with _serving("broken", server_tls) as (url, _):
            with pytest.raises(Unavailable, match="broke off"):
                await _read(client, url, [])

    _run(loop, work)


def test_who_stops_reading_stays_stopped(loop: Loop, server_tls: ssl.SSLContext | None) -> None:
    """A cancellation from outside is not taken for the end of patience."""

    async def work() -> None:
        client = GuardedClient(allowed=ALLOWED)
        async with _serving("silence", server_tls) as (url, seen):
            pieces: list[bytes] = []
            task = asyncio.create_task(_read(client, url, pieces))
            while len(b"".join(pieces)) < len(b"".join(PIECES)):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while seen[-1] != "left":
                await asyncio.sleep(0.01)

    _run(loop, work)


def test_a_certificate_of_another_host_is_refused(loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        client = GuardedClient(allowed=ALLOWED)
        async with _serving("whole", _tls("other.example", tmp_path, monkeypatch)) as (url, seen):
            with pytest.raises(Unavailable):
                await _read(client, url, [])
            assert "request" not in seen

    _run(loop, work)
