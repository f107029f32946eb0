"""Connections of the guarded client, for answers that come in hundreds of small pieces.

httpcore puts a cancel scope of anyio around every read to watch for silence, two thirds of the 15 % of a worker's time that
its reading of models' answers took.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import anyio
import httpcore2
import httpx2

from aiwriter.core.patience import Patience


class Pool(httpx2.AsyncHTTPTransport):
    """httpx's transport over connections that are read in our way.

    Args:
        context: the authorities that are trusted.
        max_connections, max_keepalive: of this pool.
    """

    def __init__(self, context: ssl.SSLContext, *, max_connections: int, max_keepalive: int) -> None:
        # Not the parent's: all that it does is to make a pool, and it takes no network backend for it.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=max_connections,
            max_keepalive_connections=max_keepalive,
            keepalive_expiry=5.0,
            network_backend=_Network(),
        )


class _Network(httpcore2.AnyIOBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(await super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._patience = Patience(self._give_up)
        self._reader: asyncio.Task[Any] | None = None
        self._late = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        self._reader = task = asyncio.current_task()
        before = task.cancelling() if task else 0
        if timeout is not None:
            self._patience.wait(timeout)
        try:
            # Below httpcore's own stream, which has no other way to it; pinned, and tested with and without TLS.
            received: bytes = await self._inner._stream.receive(max_bytes)
            return received
        except asyncio.CancelledError as error:
            # As in `asyncio.timeout`: somebody else may have cancelled the task as well; then it stays cancelled.
            if self._late and task and task.uncancel() <= before:
                raise httpcore2.ReadTimeout(f"Nothing came within {timeout} seconds.") from error
            raise
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise httpcore2.ReadError(error) from error
        except anyio.EndOfStream:
            return b""
        finally:
            self._patience.over()
            self._reader = None

    def _give_up(self) -> None:
        if self._reader is not None:
            self._late = True
            self._reader.cancel()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        self._patience.close()
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
