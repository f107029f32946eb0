"""The part of `limits-ssrf-canaries` about addresses that lead inside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import Any

from tests.lab.portal import ROOT
from tests.proofs import expect

PAYLOADS = (
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001"),
    *("localhost", "localhost.", "LOCALHOST", "１２７.0.0.1", "127。0。0。1", "0.0.0.0", "0", "[::1]", "[::]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]"),
    *("[2002:7f00:1::]", "169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "100.100.100.200"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fe80::1]", "[fc00::1]", "user:pass@127.0.0.1"),
)


def addresses() -> str:
    """Every payload by every way, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.proofs._addresses"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    expect(done.returncode == 0, f"addresses: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    expect(not found["through"], f"these got through: {found['through']}")
    expect(found["hits"] == 0, f"{found['hits']} connections reached a server inside")
    return f"0 of {found['tried']} addresses ({len(PAYLOADS)} payloads and rebinding, {found['ways']} ways) got through"


def _try_addresses() -> dict[str, Any]:
    """Within a process of its own: every payload by every way out, with servers that count who connects."""
    import asyncio
    import socket

    from tests.lab.django import set_up

    set_up()
    from aiwriter.core import egress
    from aiwriter.core.errors import AppError
    from aiwriter_sdk import BackendError
    from apps.content.services import fetching

    hits: list[str] = []
    servers = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError):
            server = socket.socket(family)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((host, servers[0].getsockname()[1] if servers else 0))
            server.listen(64)
            servers.append(server)
    port = servers[0].getsockname()[1]

    def listen(server: Any) -> None:
        while True:
            peer, address = server.accept()
            hits.append(str(address))
            with contextlib.suppress(OSError):
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ninside")
                peer.close()

    for server in servers:
        threading.Thread(target=listen, args=(server,), daemon=True).start()

    async def streamed(url: str) -> None:
        client = egress.GuardedClient(allowed=(), connect_timeout=2)
        try:
            async with client.stream("GET", url, timeout=3) as answer:
                await answer.aread()
        finally:
            await client.aclose()

    def by_stream(host: str) -> None:
        asyncio.run(streamed(f"http://{host}:{port}/"))

    def by_fetch(host: str) -> None:
        egress.fetch("POST", f"http://{host}:{port}/", content=b"x", allowed=(), timeout=5)

    def by_socket(host: str) -> None:
        egress.connect(host.strip("[]").rpartition("@")[2], port, timeout=2, allowed=()).close()

    def by_page(host: str) -> None:
        found = fetching.fetch_all([fetching.Wanted(url=f"http://{host}:{port}/")])
        if isinstance(found[0], AppError):
            raise found[0]

    ways = [by_stream, by_fetch, by_socket, by_page]
    through, tried = [], 0
    for way in ways:
        for host in PAYLOADS:
            tried += 1
            try:
                way(host)
            except Exception as error:  # noqa: BLE001  the kind of refusal differs by way
                said = getattr(error, "message", str(error))
                # Refused before anything was sent: a connection that was tried and failed would say otherwise.
                if "cannot be reached" in said:
                    through.append(f"{way.__name__} {host}: {said}")
                if not isinstance(error, BackendError | AppError):
                    through.append(f"{way.__name__} {host}: {type(error).__name__} {said}")
            else:
                through.append(f"{way.__name__} {host}")
    # A name server that answers a public address first and then one inside.
    real, asked = socket.getaddrinfo, []

    def rebinding(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "rebinding.example":
            return real(host, *args, **kwargs)
        asked.append(host)
        address = "198.51.100.7" if len(asked) % 2 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    # 198.51.100.0/24 is for documentation and judged as not public, so it stands for a public address here.
    judged = egress.judge
    egress.judge = lambda address, allowed: "" if str(address) == "198.51.100.7" else judged(address, allowed)  # type: ignore[assignment]
    socket.getaddrinfo = rebinding  # type: ignore[assignment]
    try:
        for way in (by_stream, by_fetch, by_socket):
            asked.clear()
            tried += 1
            with contextlib.suppress(Exception):
                way("rebinding.example")
    finally:
        socket.getaddrinfo, egress.judge = real, judged  # type: ignore[assignment]
    return {"tried": tried, "through": through, "hits": len(hits), "ways": len(ways)}


if __name__ == "__main__":
    print(json.dumps(_try_addresses()))
