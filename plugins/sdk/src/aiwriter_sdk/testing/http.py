"""A small HTTP client with the same promises as the portal's guarded one, for tests of plugins without the portal.

It needs the standard library alone, opens one connection a request, follows no redirect and keeps nothing. It does not
judge addresses: that is what the portal's own client adds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json as jsonlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from aiwriter_sdk.errors import InvalidRequest, TimedOut, Unavailable

_HEAD_LIMIT = 256 * 1024
_PIECE = 64 * 1024
_T = TypeVar("_T")


class Headers(Mapping[str, str]):
    """Headers of a response; names compare without regard to case."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = {name.lower(): value for name, value in pairs.items()}

    def __getitem__(self, name: str) -> str:
        return self._pairs[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


class PlainResponse:
    """Fulfils `aiwriter_sdk.HttpResponse` over one connection."""

    def __init__(
        self, status_code: int, headers: Headers, reader: asyncio.StreamReader, *, timeout: float | None, max_body: int
    ) -> None:
        self.status_code = status_code
        self.headers: Mapping[str, str] = headers
        self._reader = reader
        self._timeout = timeout
        self._max_body = max_body

    async def aread(self) -> bytes:
        """The whole body.

        Raises:
            Unavailable: it is longer than the client's limit, or the connection broke.
            TimedOut: nothing came for the time given.
        """
        body = bytearray()
        async for piece in self.aiter_bytes():
            body += piece
            if len(body) > self._max_body:
                raise Unavailable(f"The answer is longer than {self._max_body} bytes.")
        return bytes(body)

    async def aiter_lines(self) -> AsyncIterator[str]:
        """Lines without their ends, LF or CR LF; nothing else ends a line, U+2028 is part of the text."""
        lines = LineSplitter()
        async for piece in self.aiter_bytes():
            for line in lines.feed(piece):
                yield line
        for line in lines.end():
            yield line

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive."""
        with _mapped():
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int((await self._wait(self._reader.readuntil(b"\r\n"))).split(b";")[0], 16):
                    async for piece in self._exactly(size):
                        yield piece
                    await self._wait(self._reader.readexactly(2))
            elif "content-length" in self.headers:
                async for piece in self._exactly(int(self.headers["content-length"])):
                    yield piece
            else:
                while piece := await self._wait(self._reader.read(_PIECE)):
                    yield piece

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self._wait(self._reader.read(min(size, _PIECE)))
            if not piece:
                raise asyncio.IncompleteReadError(b"", size)
            size -= len(piece)
            yield piece

    async def _wait(self, reading: Awaitable[_T]) -> _T:
        async with asyncio.timeout(self._timeout):
            return await reading


class LineSplitter:
    """Bytes in pieces of any size to lines: a character or a line end may be split anywhere."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        *complete, rest = data.split(b"\n")
        for line in complete:
            yield _text(b"".join((*self._rest, line)))
            self._rest.clear()
        if rest:
            self._rest.append(rest)

    def end(self) -> Iterator[str]:
        """The last line, where the body does not end with a line end."""
        if self._rest:
            yield _text(b"".join(self._rest))
            self._rest.clear()


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


class PlainHttpClient:
    """Fulfils `aiwriter_sdk.HttpClient`.

    Args:
        timeout: the longest silence in seconds where a call names none.
        connect_timeout: seconds for the connection, its encryption included.
        max_body: most bytes that `aread` returns.
    """

    def __init__(
        self, *, timeout: float = 30.0, connect_timeout: float = 5.0, max_body: int = 32 * 1024 * 1024
    ) -> None:
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_body = max_body

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object | None = None,
        content: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the contract's name; it limits silence, not the whole call
    ) -> AsyncIterator[PlainResponse]:
        """Send a request and give its response; the connection is closed when the context is left.

        Raises:
            InvalidRequest: the URL is not an http or https URL, or both `json` and `content` were given.
            Unavailable: no connection, a broken one, or an answer that is not HTTP.
            TimedOut: nothing came for `timeout` seconds.
        """
        silence = self._timeout if timeout is None else timeout
        head, body, host, port, secure = _request(method, url, headers or {}, json, content)
        with _mapped():
            async with asyncio.timeout(min(self._connect_timeout, silence)):
                context = ssl.create_default_context() if secure else None
                reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_HEAD_LIMIT)
        try:
            with _mapped():
                async with asyncio.timeout(silence):
                    writer.write(head + body)
                    await writer.drain()
                    status, answer_headers = await _read_head(reader)
            yield PlainResponse(status, answer_headers, reader, timeout=silence, max_body=self._max_body)
        finally:
            # abort, not close: nothing is waiting to be sent, and a cancelled call must free the provider at once.
            writer.transport.abort()


def _request(
    method: str, url: str, headers: Mapping[str, str], json: object | None, content: bytes | None
) -> tuple[bytes, bytes, str, int, bool]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"Not an http or https address: {parts.scheme}://{parts.hostname or ''}")
    if json is not None and content is not None:
        raise InvalidRequest("Give json or content, not both.")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    body = content or b""
    fields = {"Host": parts.netloc.rpartition("@")[2], "Connection": "close", "Accept-Encoding": "identity"}
    if json is not None:
        body = jsonlib.dumps(json, ensure_ascii=False).encode()
        fields["Content-Type"] = "application/json"
    if body or method in ("POST", "PUT", "PATCH"):
        fields["Content-Length"] = str(len(body))
    given = {name.lower() for name in headers}
    lines = [f"{name}: {value}" for name, value in fields.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise InvalidRequest("A header contains a line break.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines]) + "\r\n\r\n"
    return head.encode("latin-1", "strict"), body, parts.hostname, port, secure


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, Headers]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    status = int(first.split(" ", 2)[1])
    pairs = (line.partition(":") for line in lines if line)
    return status, Headers({name.strip(): value.strip() for name, _, value in pairs})


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise TimedOut("Nothing came from the server in the time given.") from error
    except asyncio.IncompleteReadError as error:
        raise Unavailable("The connection broke off in the middle of the answer.") from error
    except (OSError, asyncio.LimitOverrunError) as error:
        raise Unavailable(f"The connection failed: {type(error).__name__}.") from error
    except (ValueError, IndexError) as error:
        raise Unavailable("The answer is not HTTP.") from error
