"""The guard of outgoing requests: every bypass is refused, the judged address is the one that is called."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aiwriter.core.egress import GuardedClient, _Response, judge
from aiwriter_sdk import InvalidRequest, TimedOut, Unavailable

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()
            return
        if self.path == "/silent":
            threading.Event().wait(3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 5000 if self.path == "/large" else f"host={self.headers['Host']}".encode())


@pytest.fixture
def server() -> Iterator[int]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running.server_address[1]
    running.shutdown()
    running.server_close()


async def get(client: GuardedClient, url: str, timeout: float = 5) -> tuple[int, bytes]:
    async with client.stream("GET", url, timeout=timeout) as answer:
        return answer.status_code, await answer.aread()


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "192.88.99.1", "168.63.129.16", "100.100.100.200"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:1::", "::127.0.0.1", "fec0::1", "3fff::1"),
    ],
)
def test_addresses_that_lead_inside_are_refused(address: str) -> None:
    assert judge(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses_may_be_called(address: str) -> None:
    assert judge(ipaddress.ip_address(address), ()) == ""


def test_an_allowed_network_opens_itself_but_never_the_metadata_service() -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    assert judge(ipaddress.ip_address("127.0.0.1"), LOOPBACK) == ""
    assert judge(ipaddress.ip_address("10.0.0.1"), LOOPBACK)
    assert judge(ipaddress.ip_address("169.254.169.254"), everything)
    assert judge(ipaddress.ip_address("::ffff:169.254.169.254"), everything)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "１２７.0.0.1", "[::ffff:127.0.0.1]"]
)
async def test_spellings_of_loopback_do_not_get_through(host: str, server: int) -> None:
    with pytest.raises((Unavailable, InvalidRequest)):
        await get(GuardedClient(allowed=()), f"http://{host}:{server}/")


async def test_an_allowed_address_is_called_with_its_name_in_the_header(server: int) -> None:
    status, body = await get(GuardedClient(allowed=LOOPBACK), f"http://127.0.0.1:{server}/")
    assert (status, body) == (200, f"host=127.0.0.1:{server}".encode())


async def test_the_second_answer_of_a_name_server_gains_nothing(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the first answer is judged, and nobody asks again before connecting."""
    asked: list[str] = []

    async def resolve(self: asyncio.AbstractEventLoop, host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    client = GuardedClient(allowed=(), connect_timeout=0.2)
    with pytest.raises((Unavailable, TimedOut)):
        await get(client, f"http://rebinding.example:{server}/")
    assert asked == ["rebinding.example"] or asked[1:] == ["93.184.216.34"]


async def test_a_name_with_one_bad_address_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: asyncio.AbstractEventLoop, host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in ("1.1.1.1", "10.0.0.1")]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    with pytest.raises(Unavailable, match=r"10\.0\.0\.1"):
        await get(GuardedClient(allowed=()), "http://mixed.example/")


async def test_redirects_are_not_followed(server: int) -> None:
    status, _ = await get(GuardedClient(allowed=LOOPBACK), f"http://127.0.0.1:{server}/redirect")
    assert status == 302


async def test_a_large_answer_is_cut_off(server: int) -> None:
    with pytest.raises(Unavailable, match="larger"):
        await get(GuardedClient(allowed=LOOPBACK, max_bytes=1000), f"http://127.0.0.1:{server}/large")


async def test_silence_ends(server: int) -> None:
    with pytest.raises(TimedOut):
        await get(GuardedClient(allowed=LOOPBACK), f"http://127.0.0.1:{server}/silent", timeout=0.3)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "gopher://x", "http://", "javascript:1"])
async def test_only_web_addresses(url: str) -> None:
    with pytest.raises(InvalidRequest):
        await get(GuardedClient(allowed=LOOPBACK), url)


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
async def test_lines_are_whole_however_the_pieces_fall(size: int) -> None:
    text = 'data: {"a": "x\u2028y"}\r\n\r\ndata: é漢🦊\n' + "z" * 5000 + "\nlast"

    class Pieces:
        status_code, headers = 200, {}

        async def aiter_bytes(self) -> object:
            data = text.encode()
            for start in range(0, len(data), size):
                yield data[start : start + size]

    lines = [line async for line in _Response(Pieces(), 10**6).aiter_lines()]  # type: ignore[arg-type]
    assert lines == ['data: {"a": "x\u2028y"}', "", "data: é漢🦊", "z" * 5000, "last"]
