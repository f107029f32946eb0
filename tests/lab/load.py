"""People and programs that use a portal at a steady rate: `python -m tests.lab.load '{"url": …}'`, in a process of its own.

Open loop: a request is sent when its time has come, whether or not those before have been answered. Ends at SIGTERM and
prints what it saw as JSON. A request has failed when no answer came, or one of the server's errors, or another than meant.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 30.0
KEPT_FAILURES = 20


@dataclass
class Seen:
    """What came of it."""

    total: int = 0
    failed: int = 0
    written: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    hurt: list[int] = field(default_factory=list)
    people: int = 0
    p50: float = 0.0
    p95: float = 0.0
    longest: float = 0.0
    rate: float = 0.0


class Load:
    """The crowd.

    Args:
        url: of the proxy.
        rate: requests a second.
        token: with it, some requests are a program's, and some of these write.
        writes: share of the requests that make a document.
        people: how many there are; each has a bucket and keeps it.
        seed: of who comes when.
        cafile: of an https address, whose certificate is verified by it.
    """

    def __init__(
        self,
        *,
        url: str,
        rate: float,
        token: str = "",
        writes: float = 0.02,
        people: int = 400,
        seed: int = 1,
        cafile: str = "",
    ) -> None:
        parts = urlsplit(url)
        self.tls = ssl.create_default_context(cafile=cafile) if parts.scheme == "https" else None
        self.host, self.port = str(parts.hostname), int(parts.port or (443 if self.tls else 80))
        self.rate, self.token, self.writes, self.people = rate, token, writes, people
        self.seen = Seen(people=people)
        self._times: list[float] = []
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._chance = random.Random(seed)
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Until `over`."""
        begun = time.monotonic()
        running: set[asyncio.Task[None]] = set()
        number = 0
        while not self.over.is_set():
            due = begun + number / self.rate
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            task = asyncio.create_task(self._one(number))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1
        if running:
            await asyncio.wait(running, timeout=TIMEOUT)
        self.seen.rate = round(number / (time.monotonic() - begun), 1)
        if self._times:
            ordered = sorted(self._times)
            self.seen.p50 = round(ordered[len(ordered) // 2] * 1000, 1)
            self.seen.p95 = round(ordered[int(len(ordered) * 0.95)] * 1000, 1)
            self.seen.longest = round(ordered[-1] * 1000, 1)

    async def _one(self, number: int) -> None:
        person = self._chance.randrange(self.people)
        draw = self._chance.random()
        method, path, good, body = "GET", "/accounts/login/", 200, b""
        # Of nobody's session: the portal looks it up, finds none, and answers as to a stranger.
        headers = {"Cookie": f"aw_bucket={person % 100}; sessionid=nobody{person:04d}"}
        if draw < 0.5:
            path = "/livez"
        if self.token and draw > 0.7:
            headers["Authorization"] = f"Bearer {self.token}"
            path = "/api/v1/me"
            if draw > 1 - self.writes:
                method, path, good = "POST", "/api/v1/content", 201
                body = json.dumps({"title": f"Load {number}", "body_markdown": "text"}).encode()
                headers |= {"Content-Type": "application/json", "Idempotency-Key": f"load-{number}-{id(self)}"}
        begun = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                status, answer = await self._ask(method, path, headers, body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            status, answer = 0, repr(error).encode()
        self.seen.total += 1
        self._times.append(time.monotonic() - begun)
        if status == good:
            if method == "POST":
                self.seen.written.append(json.loads(answer)["id"])
            return
        self.seen.failed += 1
        if person not in self.seen.hurt:
            self.seen.hurt.append(person)
        if len(self.seen.failures) < KEPT_FAILURES:
            when = time.strftime("%H:%M:%S")
            self.seen.failures.append(f"{when} {method} {path}: {status} {answer[:120].decode('latin-1')}")

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """On a connection that is kept, as browsers do; an idle one that the server closed is replaced, as browsers do."""
        while self._idle:
            reader, writer = self._idle.pop()
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            break
        else:
            reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        keep = False
        try:
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head.split(" ", 2)[1])
            fields = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
            }
            if fields.get("transfer-encoding") == "chunked":
                answer = await _chunks(reader)
            else:
                answer = await reader.readexactly(int(fields.get("content-length", "0")))
            keep = fields.get("connection", "").lower() != "close"
            return status, answer
        finally:
            if keep:
                self._idle.append((reader, writer))
            else:
                writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readline()
    return b"".join(parts)


async def _main(options: dict[str, Any]) -> None:
    load = Load(**options)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.over.set)
    await load.run()
    print(json.dumps(asdict(load.seen)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
