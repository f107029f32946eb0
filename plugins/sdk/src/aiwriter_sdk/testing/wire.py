"""A scripted HTTP server on the loopback address, to try provider backends over real sockets.

    def script(request: WireRequest) -> WireReply:
        return WireReply.sse([{"delta": "Hello"}, {"delta": " world"}, "[DONE]"])

    with WireServer(script) as server:
        ...  # let the backend call server.url, then look at server.exchanges

The server runs in a thread with an event loop of its own, so it works under synchronous tests, under any number of client
loops, and it still sees the client hang up when the client's loop is blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

_HEAD_LIMIT = 256 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Break the connection here, without the end that HTTP would require."""


Step = bytes | Pause | Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """What the client sent. Header names are in lower case; `path` has the query string."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """The body read as JSON; None when it is empty."""
        return json.loads(self.body) if self.body else None

    def text(self) -> str:
        """The body as text, JSON escapes undone where it is JSON, so that a test can search it for a phrase."""
        try:
            return json.dumps(json.loads(self.body), ensure_ascii=False)
        except ValueError:
            return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReply:
    """What the server answers.

    Args:
        steps: pieces of the body, each sent as one HTTP chunk, with pauses and cuts between them.
        status: HTTP status.
        headers: beside Content-Type and the framing, which the server adds.
        content_type: of the body.
        stream: whether the body is a sequence of events; the conformance suite bends only such replies.
    """

    steps: Sequence[Step] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    stream: bool = False

    @classmethod
    def json(cls, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> WireReply:
        """One JSON document."""
        return cls(steps=(json.dumps(value).encode(),), status=status, headers=headers or {})

    @classmethod
    def sse(cls, events: Iterable[str | Mapping[str, object] | tuple[str, object]]) -> WireReply:
        """Server-sent events, one step each.

        An event is a text (`data: text`), a mapping (`data:` and its JSON) or a pair of event name and either.
        """
        return cls(steps=tuple(_sse(event) for event in events), content_type="text/event-stream", stream=True)

    @classmethod
    def lines(cls, events: Iterable[Mapping[str, object]]) -> WireReply:
        """JSON documents, one a line (NDJSON), one step each."""
        steps = tuple(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)
        return cls(steps=steps, content_type="application/x-ndjson", stream=True)


def _sse(event: str | Mapping[str, object] | tuple[str, object]) -> bytes:
    name = ""
    data: object = event
    if isinstance(event, tuple):
        name, data = event
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()


Script = Callable[[WireRequest], WireReply]


class Exchange:
    """One request that reached the server and what became of it.

    Attributes:
        request: as received.
        sent: bytes of body written so far.
        opened: `time.monotonic()` when the request was complete.
        closed: the same when the connection ended; None while it is open.
        closed_by: who ended it.
    """

    def __init__(self, request: WireRequest) -> None:
        self.request = request
        self.sent = 0
        self.opened = time.monotonic()
        self.closed: float | None = None
        self.closed_by: Literal["", "client", "server"] = ""
        self._ended = threading.Event()

    def end(self, by: Literal["client", "server"]) -> None:
        """Note the end of the connection; called by the server."""
        if self.closed is None:
            self.closed, self.closed_by = time.monotonic(), by
            self._ended.set()

    def wait_closed(self, timeout: float = 2.0) -> bool:
        """Wait up to `timeout` seconds for the end of the connection; whether it came. Blocks the thread."""
        return self._ended.wait(timeout)

    async def closed_within(self, seconds: float = 2.0) -> bool:
        """As `wait_closed`, for use in a coroutine."""
        return await asyncio.to_thread(self.wait_closed, seconds)


class WireServer:
    """Answers each request as `script` says. Use it as a context manager.

    Args:
        script: called with each request.
        port: to listen on; a free one when left out.

    Attributes:
        url: "http://127.0.0.1:port", without a slash at its end.
        exchanges: every request so far, in order of arrival.
        script: may be exchanged between requests.
        faults: exceptions that the script itself raised; the client saw status 500.
    """

    def __init__(self, script: Script, *, port: int = 0) -> None:
        self.script = script
        self._port = port
        self.url = ""
        self.exchanges: list[Exchange] = []
        self.faults: list[BaseException] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aiwriter-wire", daemon=True)

    @property
    def requests(self) -> list[WireRequest]:
        """The requests alone."""
        return [exchange.request for exchange in self.exchanges]

    def start(self) -> str:
        """Listen on the loopback address and return `url`."""
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the wire server did not start within 10 seconds")
        return self.url

    def stop(self) -> None:
        """Break all connections and listen no more; quiet when it was stopped already."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._talk(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", self._port, limit=_HEAD_LIMIT)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read_request(reader)
            if request is None:
                return
            exchange = Exchange(request)
            self.exchanges.append(exchange)
            try:
                reply = self.script(request)
            except Exception as error:  # noqa: BLE001 - the author's script; the test reads `faults`
                self.faults.append(error)
                reply = WireReply.json({"error": f"the wire script raised {error!r}"}, status=500)
            await self._answer(reply, exchange, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(
        self, reply: WireReply, exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # Reading on after the request is how a server learns at once that the client has gone; a write would only
        # notice at the second attempt.
        gone = asyncio.ensure_future(_until_eof(reader))
        sending = asyncio.ensure_future(_send(reply, exchange, writer))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
            exchange.end("server" if sending.done() and sending.exception() is None else "client")
        finally:
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)
            exchange.end("server")


async def _until_eof(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass


async def _send(reply: WireReply, exchange: Exchange, writer: asyncio.StreamWriter) -> None:
    head = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}", "Connection: close"]
    head += [f"Content-Type: {reply.content_type}", "Transfer-Encoding: chunked"]
    head += [f"{name}: {value}" for name, value in reply.headers.items()]
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    await writer.drain()
    for step in reply.steps:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Cut):
            # RST instead of FIN: also a client that waits for the end of the body notices at once.
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            await asyncio.sleep(0.02)
            writer.transport.abort()
            return
        elif step:
            writer.write(f"{len(step):x}\r\n".encode() + step + b"\r\n")
            await writer.drain()
            exchange.sent += len(step)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _read_request(reader: asyncio.StreamReader) -> WireRequest | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = bytearray()
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
        return WireRequest(method=method, path=path, headers=headers, body=bytes(body))
    body_bytes = await reader.readexactly(int(headers.get("content-length", "0")))
    return WireRequest(method=method, path=path, headers=headers, body=body_bytes)
