"""Asks a ClamAV daemon whether a file holds malware: its documented protocol over TCP or a local socket.

The client is our own: those on the registry read a file whole into memory, or need an event loop, and the protocol is three
commands. Every exchange is a connection of its own, begins with "z" and ends with a zero byte; a file follows INSTREAM in
pieces, each after its length in four bytes, and a length of zero ends it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

_PIECE = 128 * 1024
_LONGEST_ANSWER = 4096
_VERSION = re.compile(r"(?P<engine>ClamAV [^/]+)(?:/(?P<signatures>\d+)/(?P<date>.+))?")
_DATE = "%a %b %d %H:%M:%S %Y"


class ClamdError(Exception):
    """The daemon cannot be reached, or answers something else than its protocol says."""


class TooLargeForClamd(ClamdError):
    """The file is larger than the daemon takes (StreamMaxLength of its configuration)."""


@dataclass(frozen=True, slots=True)
class Version:
    """What the daemon says of itself.

    Args:
        engine: "ClamAV 1.4.6".
        signatures: number of the daily list; 0 when there is none.
        made_at: when that list was made.
    """

    engine: str
    signatures: int
    made_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Clamd:
    """A daemon.

    Args:
        address: "tcp://host:port" or "unix:/path/to/socket".
        seconds: for a whole exchange, and for each wait within it.
    """

    address: str
    seconds: float = 60.0

    def ping(self) -> None:
        """Whether it answers.

        Raises:
            ClamdError: it does not.
        """
        if (answer := self._ask(b"zPING\0")) != "PONG":
            raise ClamdError(f"it answers '{answer[:60]}' where PONG is due")

    def version(self) -> Version:
        """Its version and how old its signatures are.

        Raises:
            ClamdError: as for `ping`.
        """
        answer = self._ask(b"zVERSION\0")
        found = _VERSION.fullmatch(answer)
        if found is None:
            raise ClamdError(f"it answers '{answer[:60]}' where its version is due")
        made_at = None
        if found["date"]:
            with contextlib.suppress(ValueError):
                made_at = dt.datetime.strptime(" ".join(found["date"].split()), _DATE).replace(tzinfo=dt.UTC)
        return Version(engine=found["engine"], signatures=int(found["signatures"] or 0), made_at=made_at)

    def scan(self, file: BinaryIO) -> str:
        """Send a file from where it stands to its end.

        Returns:
            the name of what was found, or "".

        Raises:
            TooLargeForClamd: it takes no files of this size.
            ClamdError: it cannot be reached, or could not scan.
        """
        end = time.monotonic() + self.seconds
        with self._connected() as connection:
            try:
                connection.sendall(b"zINSTREAM\0")
                while piece := file.read(_PIECE):
                    if time.monotonic() > end:
                        raise ClamdError(f"it took no more of the file within {self.seconds:.0f} s")
                    connection.sendall(struct.pack("!L", len(piece)) + piece)
                connection.sendall(struct.pack("!L", 0))
            except (BrokenPipeError, ConnectionResetError):
                pass  # it closes on a file that is too large; its answer, if it came, says so
            except OSError as error:
                raise ClamdError(_words(error)) from error
            answer = self._answer(connection)
        if "size limit exceeded" in answer:
            raise TooLargeForClamd(answer)
        if answer.endswith(" FOUND"):
            return answer.removesuffix(" FOUND").partition(": ")[2] or "unnamed"
        if answer != "stream: OK":
            raise ClamdError(f"it answers '{answer[:120]}'")
        return ""

    def _ask(self, command: bytes) -> str:
        with self._connected() as connection:
            try:
                connection.sendall(command)
            except OSError as error:
                raise ClamdError(_words(error)) from error
            return self._answer(connection)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        where = target(self.address)
        try:
            if isinstance(where, str):
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(self.seconds)
                connection.connect(where)
            else:
                connection = socket.create_connection(where, timeout=self.seconds)
        except OSError as error:
            raise ClamdError(_words(error)) from error
        with connection:
            yield connection

    @staticmethod
    def _answer(connection: socket.socket) -> str:
        data = b""
        try:
            while not data.endswith(b"\0") and len(data) < _LONGEST_ANSWER:
                piece = connection.recv(_LONGEST_ANSWER)
                if not piece:
                    break
                data += piece
        except OSError as error:
            if not data:
                raise ClamdError(_words(error)) from error
        if not data:
            raise ClamdError("it closed the connection without an answer")
        return data.rstrip(b"\0\n").decode("utf-8", "replace")


def target(address: str) -> str | tuple[str, int]:
    """What an address means: the path of a socket, or (host, port).

    Raises:
        ValueError: it is none.
    """
    if address.startswith("unix:/"):
        return address.removeprefix("unix:")
    parts = urlsplit(address)
    try:
        port = parts.port or 0
    except ValueError:
        port = 0
    if parts.scheme != "tcp" or not parts.hostname or not port or parts.path or re.search(r"\s", address):
        raise ValueError("Write tcp://HOST:PORT or unix:/PATH.")
    return parts.hostname, port


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return error.strerror or type(error).__name__
