"""Where a backend under test stands: its context, its secrets, and a network that is watched."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from aiwriter_sdk.backend import BackendContext, HttpClient, HttpResponse
from aiwriter_sdk.checks import read_options
from aiwriter_sdk.config import Config, Secret
from aiwriter_sdk.descriptor import Descriptor
from aiwriter_sdk.testing.http import PlainHttpClient

# Long and odd enough to be found wherever it turns up, and shaped like no real provider's key.
CANARY = "conformance-canary-7Qz4"


class ForbiddenHttpClient:
    """An HTTP client whose every use fails the test."""

    @contextlib.asynccontextmanager
    async def stream(self, method: str, url: str, **options: Any) -> AsyncIterator[HttpResponse]:
        """Never gives a response."""
        raise AssertionError(f"the backend called {method} {url} where it must not use the network")
        yield  # makes it a generator


class LogCatcher(logging.Handler):
    """Keeps every record as text, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines.append(self.format(record))


def make_context(folder: Path, *, http: HttpClient | None = None, profile: str = "conformance") -> BackendContext:
    """What the host would give a backend.

    Args:
        folder: becomes `data_dir`; made when it does not exist.
        http: a `PlainHttpClient` when left out.
        profile: the profile's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger(f"aiwriter.conformance.{profile}")
    logger.setLevel(logging.DEBUG)
    return BackendContext(http=http or PlainHttpClient(), logger=logger, data_dir=str(folder), profile=profile)


def make_config(descriptor: Descriptor, options: Mapping[str, object], secrets: Mapping[str, str | Secret]) -> Config:
    """The configuration as the host would make it of these options.

    Raises:
        AssertionError: the host would refuse them.
    """
    config, problems = read_options(descriptor.config, options, secrets)
    assert not problems, "the host would refuse these options: " + "; ".join(
        f"{p.field}: {p.problem}" for p in problems
    )
    return config


@contextlib.contextmanager
def no_network() -> Iterator[list[str]]:
    """Within it, name resolution and connections of the process are refused and noted in the list given."""
    attempts: list[str] = []
    real_connect, real_resolve = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, address: Any) -> None:
        if self.family == getattr(socket, "AF_UNIX", None):
            return real_connect(self, address)
        attempts.append(f"connect to {address}")
        raise OSError(f"the conformance suite allows no network here: {address}")

    def resolve(host: Any, *rest: Any, **options: Any) -> Any:
        attempts.append(f"resolve {host}")
        raise OSError(f"the conformance suite allows no network here: {host}")

    socket.socket.connect, socket.getaddrinfo = connect, resolve  # type: ignore[method-assign,assignment]
    try:
        yield attempts
    finally:
        socket.socket.connect, socket.getaddrinfo = real_connect, real_resolve  # type: ignore[method-assign]


def new_threads(before: set[threading.Thread]) -> list[str]:
    """Names of the threads that were started since `before = set(threading.enumerate())`."""
    return [thread.name for thread in threading.enumerate() if thread not in before]


def everything_said(error: BaseException) -> str:
    """All that an exception tells: its text, arguments, attributes and those of what caused it."""
    told = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        told += f"\n{seen!r} {seen.args!r} {vars(seen)!r}"
        seen = seen.__cause__ or seen.__context__
    return told
