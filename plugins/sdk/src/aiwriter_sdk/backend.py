"""What every backend has in common, and what the host gives it."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from aiwriter_sdk.config import Config


class HttpResponse(Protocol):
    """The answer of the host's guarded client; the body is read as it arrives.

    A status of 400 or more raises nothing: only the plugin knows what its provider means by it. Header names compare
    without regard to case.
    """

    status_code: int
    headers: Mapping[str, str]

    async def aread(self) -> bytes:
        """Read the whole body; at most the host's size limit, beyond which `Unavailable` is raised."""
        ...

    def aiter_lines(self) -> AsyncIterator[str]:
        """The body line by line without line ends, decoded as UTF-8, for server-sent events.

        A line ends at LF or CR LF and nowhere else: U+2028 inside a JSON text does not break it.
        """
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive."""
        ...


class HttpClient(Protocol):
    """The only way out. It judges every resolved address, follows no redirect and limits time and size.

    It raises `Unavailable` for an address that is refused or cannot be reached and `TimedOut` when time ran out, and
    closes the connection when the context is left, so that cancelling a generation stops the provider.
    """

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object | None = None,
        content: bytes | None = None,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[HttpResponse]:
        """Open a request; `timeout` is the longest silence in seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendContext:
    """What a backend is built with, beside its configuration.

    Args:
        http: guarded HTTP client.
        logger: tagged with plugin and profile, redacting.
        data_dir: a folder of this profile's own on the server, for local storage and caches.
        profile: the profile's name, for messages.
    """

    http: HttpClient
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    data_dir: str
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallControl:
    """Given to every call that may take time.

    Args:
        deadline: a value of `time.monotonic()`, in seconds.
    """

    deadline: float

    def remaining(self) -> float:
        """Seconds left; never below zero."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a health probe found.

    `detail` is shown to operators; `data` holds figures worth plotting (latency, free bytes).
    """

    status: Literal["ok", "warn", "fail"]
    detail: str = ""
    data: Mapping[str, float] = field(default_factory=dict)
    remedy: str = ""


class Backend(ABC):
    """Built once per profile and process; must be safe in several threads and several event loops.

    The constructor does no network call and starts no thread.
    """

    def __init__(self, config: Config, context: BackendContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    async def health(self, *, control: CallControl) -> Health:
        """Cheap, read-only, free of charge: are the settings right and does the other side answer?

        Raises:
            AuthFailed, Unavailable, TimedOut, ConfigInvalid: as they are found.
        """

    async def close(self) -> None:
        """Let go of connections. May be called twice."""
        return
