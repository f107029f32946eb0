"""The one guarded way out: every outgoing request of the portal and of its plugins.

A name is resolved once, every address it has is judged, and the connection goes to a judged address, so a name server
that answers differently the second time (DNS rebinding) gains nothing. Redirects are not followed, answers are limited
in size and silence. `ipaddress.is_private` alone is not enough: on Python 3.11 it misses 100.64.0.0/10 and the NAT64 and
6to4 forms of private addresses, hence the explicit list.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.conf import settings

from aiwriter_sdk import BackendError, InvalidRequest, TimedOut, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_BYTES = 64 * 1024 * 1024
# Never reachable, whatever the operator allows: metadata services give out the machine's own credentials.
_METADATA = tuple(
    ipaddress.ip_network(n)
    for n in ("169.254.0.0/16", "fd00:ec2::/32", "fe80::/10", "100.100.100.200/32", "168.63.129.16/32")
)
_DENIED = tuple(
    ipaddress.ip_network(n)
    for n in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.88.99.0/24",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "::/96",
        "fec0::/10",
        "3fff::/20",
    )
)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == n.version and address in n for n in networks)


def judge(address: Address, allowed: Iterable[Network]) -> str:
    """Why an address may not be called, or "" when it may.

    Args:
        address: as resolved.
        allowed: networks that the operator opened although they are private.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if _within(address, _METADATA):
        return "it belongs to link-local or cloud metadata addresses, which are always refused"
    if _within(address, allowed):
        return ""
    if address.is_multicast or address.is_reserved or address.is_unspecified or _within(address, _DENIED):
        return "it is not an ordinary public address"
    if not address.is_global:
        return "it is a private address"
    return ""


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that are trusted: read once, for reading them holds up the event loop by 15 ms."""
    return httpx2.create_ssl_context(trust_env=False)


class _GuardedTransport(httpx2.AsyncBaseTransport):
    """Judges where a request goes and pins it to the judged address.

    Each host has a pool of its own: a pool shared by address would let one host's kept TLS connection, verified for
    its certificate, carry a request meant for another host of the same address.
    """

    def __init__(self, allowed: tuple[Network, ...]) -> None:
        self._allowed = allowed
        self._pools: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        address = await self._resolve(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        pool = self._pools.get(host)
        if pool is None:
            # Here, as httpx does with httpcore: most processes send nothing.
            from aiwriter.core.egress_pool import Pool

            pool = self._pools[host] = Pool(_trusted(), max_connections=2000, max_keepalive=50)
        # TLS still verifies the name: it is sent as SNI while the connection goes to the judged address.
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=str(address))
        return await pool.handle_async_request(request)

    async def _resolve(self, host: str, port: int) -> Address:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _unresolved(host) from error
        return _judged(host, found, self._allowed)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()


class _Response:
    """The part of a response that plugins see, with the size limit applied."""

    def __init__(self, response: httpx2.Response, limit: int) -> None:
        self._response = response
        self._limit = limit
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        total = 0
        async for piece in self._response.aiter_bytes():
            total += len(piece)
            if total > self._limit:
                raise Unavailable(f"The answer is larger than {self._limit // 1024 // 1024} MiB.")
            yield piece

    async def aread(self) -> bytes:
        return b"".join([piece async for piece in self.aiter_bytes()])

    async def aiter_lines(self) -> AsyncIterator[str]:
        # Split on \n only: httpx's own splitter also breaks at U+2028, which JSON may hold unescaped.
        rest: list[bytes] = []
        async for piece in self.aiter_bytes():
            first, *others = piece.split(b"\n")
            rest.append(first)
            for line in others:
                yield _decoded(rest)
                rest = [line]
        if any(rest):
            yield _decoded(rest)


def _decoded(pieces: list[bytes]) -> str:
    return b"".join(pieces).rstrip(b"\r").decode("utf-8", "replace")


def allowed_networks() -> tuple[Network, ...]:
    """The private networks that the operator opened."""
    return tuple(ipaddress.ip_network(n, strict=False) for n in settings.EGRESS_ALLOW_NETWORKS)


def outgoing_networks() -> tuple[Network, ...]:
    """The private networks that addresses typed by writers may lead to.

    Others than those of the backends: these are open to the loopback address, where a local model may listen, and a writer
    must not reach the machine's own services.
    """
    return tuple(ipaddress.ip_network(n, strict=False) for n in settings.OUTGOING_ALLOW_NETWORKS)


def refused_literal(host: str) -> str:
    """Why a host that is written as a number may not be called; "" for a name, which is judged when it is looked up."""
    try:
        return judge(ipaddress.ip_address(host), outgoing_networks())
    except ValueError:
        return ""


def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    timeout: float = 20.0,
    allowed: tuple[Network, ...] | None = None,
    max_bytes: int = 1024 * 1024,
) -> tuple[int, bytes]:
    """One request from synchronous code: status and body. As `exchange`."""
    status, _, body = exchange(
        method, url, headers=headers, content=content, timeout=timeout, allowed=allowed, max_bytes=max_bytes
    )
    return status, body


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None,
    content: bytes | None,
    timeout: float,
    allowed: tuple[Network, ...] | None = None,
    max_bytes: int = 1024 * 1024,
) -> tuple[int, dict[str, str], bytes]:
    """One request from synchronous code, wherever it runs: an event loop of this thread is not needed and not disturbed.

    Args:
        method, url, headers, content: of the request.
        timeout: seconds for all of it.
        allowed: private networks that may be called; the operator's when left out.
        max_bytes: largest answer.

    Returns:
        status, headers and body.

    Raises:
        BackendError: refused, unreachable, broken off or too slow.
    """

    async def ask() -> tuple[int, dict[str, str], bytes]:
        client = GuardedClient(allowed=allowed, max_bytes=max_bytes)
        try:
            async with (
                asyncio.timeout(timeout),
                client.stream(method, url, headers=headers, content=content, timeout=timeout) as response,
            ):
                return response.status_code, dict(response.headers), await response.aread()
        except TimeoutError:
            raise TimedOut(f"{urlsplit(url).hostname} did not answer in time.", remedy="Try again.") from None
        finally:
            await client.aclose()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="egress") as pool:
        return pool.submit(asyncio.run, ask()).result()


@dataclass(frozen=True, slots=True)
class Posted:
    """What a receiver answered.

    Args:
        beginning: of its answer; as much as was asked for, or a little more.
        wait: seconds that it asks us to wait before the next message.
    """

    status: int
    beginning: bytes
    wait: float


def post(url: str, *, headers: Mapping[str, str], content: bytes, timeout: float, beginning: int) -> Posted:
    """Post to an address that people typed, and read only the beginning of the answer. Needs a thread without a loop.

    Args:
        url, headers, content: of the request.
        timeout: seconds for all of it.
        beginning: bytes.

    Raises:
        BackendError: refused, unreachable, broken off or too slow.
    """

    async def ask() -> Posted:
        # Not the networks of backends: whoever may enter an address must not reach what stands beside the portal.
        client = GuardedClient(allowed=outgoing_networks(), max_bytes=64 * 1024)
        try:
            async with (
                asyncio.timeout(timeout),
                client.stream("POST", url, headers=headers, content=content, timeout=timeout) as response,
            ):
                answer = b""
                with contextlib.suppress(BackendError):
                    async for piece in response.aiter_bytes():
                        answer += piece
                        if len(answer) > beginning:
                            break
                wait = response.headers.get("retry-after", "")
                is_number = wait.isascii() and wait.isdigit() and len(wait) < 8
                return Posted(response.status_code, answer, float(wait) if is_number else 0.0)
        except TimeoutError:
            raise TimedOut(f"The receiver did not answer within {timeout:.0f} seconds.") from None
        finally:
            await client.aclose()

    return asyncio.run(ask())


def connect(host: str, port: int, *, timeout: float, allowed: tuple[Network, ...] | None = None) -> socket.socket:
    """A TCP connection for what does not speak HTTP, such as syslog: resolved once, judged, connected to that address.

    Raises:
        Unavailable: refused or unreachable.
    """
    networks = allowed_networks() if allowed is None else allowed
    address = resolve(host, port, networks)
    try:
        return socket.create_connection((str(address), port), timeout=timeout)
    except OSError as error:
        raise Unavailable(
            f"{host}:{port} cannot be reached ({error.strerror or type(error).__name__}).",
            remedy="Check that the server runs and that the address and port are right.",
        ) from error


def resolve(host: str, port: int, allowed: tuple[Network, ...]) -> Address:
    """The address of a host, after all that it has were judged.

    Raises:
        Unavailable: one may not be called, or there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _unresolved(host) from error
    return _judged(host, found, allowed)


def _unresolved(host: str) -> Unavailable:
    return Unavailable(f"The name {host} cannot be resolved.", remedy="Check the address and the machine's network.")


def _judged(host: str, found: Iterable[Any], allowed: tuple[Network, ...]) -> Address:
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found))
    for address in addresses:
        if reason := judge(address, allowed):
            raise Unavailable(
                f"The address {address} of {host} is refused: {reason}.",
                remedy="An operator can allow its network with AIWRITER_EGRESS_ALLOW_NETWORKS.",
            )
    if not addresses:
        raise Unavailable(f"The name {host} has no address.")
    return addresses[0]


class GuardedClient:
    """Implements `aiwriter_sdk.HttpClient`. One per event loop: connections belong to the loop that opened them.

    Args:
        allowed: private networks that may be called; the operator's when left out.
        max_bytes: largest answer.
        connect_timeout: seconds to connect.
    """

    def __init__(
        self, *, allowed: tuple[Network, ...] | None = None, max_bytes: int = MAX_BYTES, connect_timeout: float = 5.0
    ) -> None:
        self._allowed = allowed_networks() if allowed is None else allowed
        self._max_bytes = max_bytes
        self._connect_timeout = connect_timeout
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _on_this_loop(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = httpx2.AsyncClient(
                transport=_GuardedTransport(self._allowed), follow_redirects=False, trust_env=False
            )
            self._loop = loop
        return self._client

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object | None = None,
        content: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncIterator[_Response]:
        """Open a request and give its answer; see `aiwriter_sdk.HttpClient.stream`.

        Raises:
            InvalidRequest: the address is not http or https.
            Unavailable: refused, unreachable, or broken off.
            TimedOut: too long a silence.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidRequest(f"'{url}' is not a web address.", remedy="Use http:// or https://.")
        silence = httpx2.Timeout(timeout or 60.0, connect=self._connect_timeout)
        options: dict[str, Any] = {"headers": dict(headers or {}), "timeout": silence}
        if json is not None:
            options["json"] = json
        elif content is not None:
            options["content"] = content
        try:
            async with self._on_this_loop().stream(method, url, **options) as response:
                yield _Response(response, self._max_bytes)
        except BackendError:
            raise
        except httpx2.InvalidURL as error:
            raise InvalidRequest(f"'{url}' is not a web address: {error}.", remedy="Check its spelling.") from error
        except httpx2.TimeoutException as error:
            raise TimedOut(
                f"{parts.hostname} did not answer in time.", remedy="Try again, or raise the time limit."
            ) from error
        except httpx2.HTTPError as error:
            raise Unavailable(
                f"{parts.hostname}:{parts.port or ''} cannot be reached or broke off ({type(error).__name__}).".replace(
                    ": ", " "
                ),
                remedy="Check that the server runs and that the address and port are right.",
            ) from error

    async def aclose(self) -> None:
        """Close all connections."""
        if self._client is not None:
            with contextlib.suppress(RuntimeError):
                await self._client.aclose()
            self._client = None
