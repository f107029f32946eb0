"""A few lines of HTTP: one request, one answer, closed. No database, no Django, no lock of anybody else.

A framework would bring what a probe must not wait for. Heads are limited to 8 KiB and five seconds, and connections to
256, so whoever dials and stays silent costs nothing that matters.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiwriter.core import healthstate
from aiwriter.healthd.page import status_page

_HEAD_BYTES = 8192
_HEAD_SECONDS = 5.0
_CONNECTIONS = 256
_WORDS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
_WORDS |= {503: "Service Unavailable"}
_STYLE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


class Server:
    """Answers `/livez`, `/readyz`, `/startupz`, `/metrics` and, by choice, `/status`.

    Args:
        state_file: what the watch writes.
        networks: who may ask for anything but the public page.
        public: whether `/status` is there, for everybody.
        metrics: makes the text for Prometheus.
    """

    def __init__(
        self, *, state_file: Path, networks: Sequence[Network], public: bool, metrics: Callable[[], bytes]
    ) -> None:
        self._file = state_file
        self._networks = networks
        self._public = public
        self._metrics = metrics
        self._open = 0
        self._read_at = (0, 0.0)
        self._state: healthstate.State | None = None

    async def serve(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        """Listen until cancelled.

        Args:
            host: address to bind.
            port: 0 for a free one.
            ready: is told the port.
        """
        server = await asyncio.start_server(self._connection, host, port, limit=_HEAD_BYTES, backlog=128)
        ready(int(server.sockets[0].getsockname()[1]))
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > _CONNECTIONS:
                return
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            peer = writer.get_extra_info("peername")
            answer, bodyless = await self._answer(head, str(peer[0]) if peer else "")
            words = [
                f"HTTP/1.1 {answer.status} {_WORDS[answer.status]}",
                f"Content-Type: {answer.kind}",
                f"Content-Length: {len(answer.body)}",
                "Cache-Control: no-store",
                "X-Content-Type-Options: nosniff",
                f"Content-Security-Policy: {_STYLE}",
                "Connection: close",
            ]
            writer.write("\r\n".join(words).encode() + b"\r\n\r\n" + (b"" if bodyless else answer.body))
            async with asyncio.timeout(_HEAD_SECONDS):
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, head: bytes, peer: str) -> tuple[Answer, bool]:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return Answer(400, b"bad request\n"), False
        method, path = words[0], words[1].split(b"?", 1)[0].decode("latin-1")
        if method not in (b"GET", b"HEAD"):
            return Answer(405, b"only GET and HEAD\n"), False
        return await self._route(path, allowed=self._may_ask(peer)), method == b"HEAD"

    async def _route(self, path: str, *, allowed: bool) -> Answer:
        if path == "/status" and self._public:
            return Answer(200, status_page(self._known(), time.time()).encode(), "text/html; charset=utf-8")
        if not allowed:
            return Answer(403, b"Not from this address; see AIWRITER_METRICS_NETWORKS.\n")
        if path == "/livez":
            return Answer(200, b"ok\n")
        if path == "/readyz":
            return self._readyz()
        if path == "/startupz":
            return self._startupz()
        if path == "/metrics":
            text = await asyncio.get_running_loop().run_in_executor(None, self._metrics)
            return Answer(200, text, "text/plain; version=0.0.4; charset=utf-8")
        return Answer(404, b"There are /livez, /readyz, /startupz and /metrics here.\n")

    def _may_ask(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address.version == n.version and address in n for n in self._networks)

    def _known(self) -> healthstate.State | None:
        """The state, read again only when the file is another one."""
        try:
            found = self._file.stat()
        except OSError:
            self._state = None
            return None
        mark = (found.st_ino, found.st_mtime)
        if mark != self._read_at or self._state is None:
            self._state, self._read_at = healthstate.read(self._file), mark
        return self._state

    def _readyz(self) -> Answer:
        state = self._known()
        if state is None:
            return _json(503, {"status": "not_ready", "failing": ["watch"], "message": "The watch has not reported."})
        now = time.time()
        statuses = state.statuses(now)
        failing = state.failing(now)
        word = "not_ready" if failing else "ready" if set(statuses.values()) <= {"ok"} else "degraded"
        body: dict[str, object] = {"status": word}
        if failing:
            body["failing"] = failing
        body["checks"] = {
            key: {
                "status": statuses[key],
                "required": seen.required,
                "message": seen.message,
                "remedy": seen.remedy,
                "age_seconds": round(max(0.0, now - seen.checked_at), 1),
            }
            for key, seen in state.checks.items()
        }
        return _json(503 if failing else 200, body)

    def _startupz(self) -> Answer:
        state = self._known()
        waiting = ["watch"] if state is None else state.not_begun()
        if waiting:
            return _json(503, {"status": "starting", "failing": waiting})
        return _json(200, {"status": "started"})


def _json(status: int, body: dict[str, object]) -> Answer:
    return Answer(status, json.dumps(body).encode() + b"\n", "application/json")
