"""The connections of the fake provider: HTTP/1.1 on asyncio alone, a callback a token and no task a stream.

A task and a stream writer for each of 1,000 answers would cost several times the processor time of the plain callbacks
here, and late timers are what a pacing test must not have.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable

from tests.fakes.behaviour import Behaviour
from tests.fakes.ledger import Entry, Ledger
from tests.fakes.text import instance, remaining, stopped, written
from tests.fakes.wires import Ask, Count, Wire, event

_BATCH = 32
_LAST = b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client; answers one request after another. `peers` holds all connections that are open."""

    def __init__(
        self, ledger: Ledger, route: Callable[[Connection, Entry, bytes], None], peers: set[Connection]
    ) -> None:
        self.ledger = ledger
        self._peers = peers
        self._route = route
        self._buffer = bytearray()
        self._answer: Answer | None = None
        self._busy = False
        self.writing = True
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._peers.add(self)
        self.ledger.connections += 1
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.discard(self)
        if self._answer is not None:
            self._answer.lost()

    def pause_writing(self) -> None:
        self.writing = False

    def resume_writing(self) -> None:
        self.writing = True
        if self._answer is not None:
            self._answer.resume()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        if self._busy:
            return
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if len(self._buffer) < end + 4 + size:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        method, path, _ = first.split(" ", 2)
        self._busy = True
        entry = Entry(number=0, method=method, path=path)
        if not path.startswith("/__"):
            entry = self.ledger.add(method, path, headers, size, _json(body))
        entry.headers = headers
        self._route(self, entry, body)

    def reply(self, status: int, value: object, *, headers: dict[str, str] | None = None, kind: str = "") -> None:
        """Send a whole body and be ready for the next request."""
        body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        more = "".join(f"{name}: {text}\r\n" for name, text in (headers or {}).items())
        head = f"HTTP/1.1 {status} Fake\r\nContent-Type: {kind or 'application/json'}\r\n{more}"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.ready()

    def ready(self) -> None:
        """The answer is complete."""
        self._answer = None
        self._busy = False
        if self._buffer:
            self.loop.call_soon(self._next)

    def stream(self, answer: Answer) -> None:
        """Begin a streamed answer."""
        self._answer = answer
        answer.begin()

    def reset(self) -> None:
        """Break the connection: what was written is delivered, then a RST instead of an end."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A RST overtakes what the client has not read yet; the short wait lets the last token arrive first.
        self.loop.call_later(0.02, self.transport.abort)


class Answer:
    """One streamed text: knows its tokens, its pace and how it is to end."""

    def __init__(self, connection: Connection, entry: Entry, wire: Wire, behaviour: Behaviour) -> None:
        self._connection, self._entry, self._wire, self._behaviour = connection, entry, wire, behaviour
        tokens, self._finish = plan(wire.ask, behaviour)
        self._thoughts = behaviour.reasoning
        self._tokens = [f"thought {n + 1} " for n in range(self._thoughts)] + tokens
        self._end, self._ending = behaviour.ending(len(tokens))
        self._end += self._thoughts
        self._sent = 0
        self._timer: asyncio.Handle | None = None
        self._over = False
        self._start = 0.0

    def begin(self) -> None:
        """Send the headers and the first event, then the tokens at their times."""
        self._connection.ledger.opened()
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        head += f"Transfer-Encoding: chunked\r\nx-request-id: {self._wire.id}\r\n\r\n"
        self._connection.transport.write(head.encode())
        self._write(self._wire.head(self._count()))
        self._start = self._connection.loop.time() + self._behaviour.first
        self._timer = self._connection.loop.call_at(self._start, self._go)

    def resume(self) -> None:
        """The client reads again."""
        if not self._over and self._timer is None:
            self._timer = self._connection.loop.call_soon(self._go)

    def _go(self) -> None:
        self._timer = None
        loop, pace = self._connection.loop, self._behaviour.tps
        for _ in range(_BATCH):
            if not self._connection.writing:
                return
            if self._sent >= self._end:
                self._finished()
                return
            # Times are counted from the start and not from the token before, so that the pace cannot drift.
            due = self._start + self._sent / pace if pace else 0.0
            if due > loop.time():
                self._timer = loop.call_at(due, self._go)
                return
            if self._token():
                self._timer = loop.call_later(0.001, self._go)
                return
        self._timer = loop.call_soon(self._go)

    def _token(self) -> bool:
        """Send the next token; whether a second piece of it follows a little later."""
        text = self._tokens[self._sent]
        data = self._wire.thought(text) if self._sent < self._thoughts else self._wire.delta(text)
        if self._entry.first_token is None:
            self._entry.first_token = time.time()
        self._sent += 1
        self._entry.tokens_sent = self._sent
        if not self._behaviour.split:
            self._write(data)
            return False
        # Behind the first byte of a character of several bytes, where there is one.
        place = next((i for i, byte in enumerate(data) if byte >= 0x80), len(data) // 2) + 1
        self._write(data[:place])
        self._connection.loop.call_later(0.0005, self._write, data[place:])
        return True

    def _finished(self) -> None:
        kind = self._ending
        if kind == "hang":
            self._entry.ended = "hang"
            return
        if kind == "cut":
            self._close("cut", early=True)
            self._connection.reset()
            return
        if kind == "garbage":
            self._write(event("{this is not JSON"))
            kind = "stop"
        elif kind == "error":
            self._write(self._wire.trouble(self._behaviour.code))
        finish = self._finish if kind == "stop" else kind
        if finish in ("stop", "length", "filter"):
            self._write(self._wire.tail(finish, self._count()))
            if self._wire.name == "openai" and self._behaviour.done:
                self._write(event("[DONE]"))
        self._connection.transport.write(_LAST)
        self._close(finish if self._ending != "garbage" else "garbage", early=finish in ("eof", "error"))
        self._connection.ready()

    def lost(self) -> None:
        """The connection is gone: cancelled by the client, if it was not over."""
        if not self._over:
            self._entry.cancelled = True
            self._close("cancelled", early=True)

    def _close(self, ended: str, *, early: bool) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._entry.ended, self._entry.closed_early, self._entry.finished = ended, early, time.time()
        self._connection.ledger.closed()

    def _count(self) -> Count:
        return counted(self._wire.ask, self._behaviour, self._sent, self._thoughts)

    def _write(self, data: bytes) -> None:
        if data and not self._connection.transport.is_closing():
            self._connection.transport.write(b"%x\r\n" % len(data) + data + b"\r\n")


def plan(ask: Ask, behaviour: Behaviour) -> tuple[list[str], str]:
    """The tokens of an answer that nothing disturbs, and its finish."""
    done, told = written(ask.turns)
    if ask.schema is not None:
        return instance(ask.schema), "stop"
    tokens = remaining(behaviour.style, behaviour.words, done, told=told, cite=behaviour.cite)
    if ask.max_output is not None and len(tokens) > ask.max_output:
        cut, met = stopped(tokens[: ask.max_output], ask.stops)
        return cut, "stop" if met else "length"
    return stopped(tokens, ask.stops)[0], "stop"


def counted(ask: Ask, behaviour: Behaviour, sent: int, thoughts: int) -> Count:
    """The usage to report: words of the prompt and tokens sent."""
    prompt = ask.prompt_words if behaviour.in_tokens < 0 else behaviour.in_tokens
    reasoning = min(sent, thoughts)
    return Count(prompt=prompt, output=sent, cached=behaviour.cached, reasoning=reasoning, shown=behaviour.usage)


def _json(body: bytes) -> object:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
