"""SQLite's write-ahead log, followed so closely that no committed page can leave it unseen.

A reader of SQLite's holds a read transaction all the time. While it stands, SQLite itself lets nobody start the log anew
over frames that were not taken (a reader on a mark of the log), or move frames into the database (a reader of the
database alone). Both are rules of the format (sqlite.org/walformat.html, "reader"), not of this program. The one moment without
such a reader lies under the write lock.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

_INDEX = struct.Struct(f"{'<' if sys.byteorder == 'little' else '>'}IIIBBHIIII8sII")
_INDEX_VERSION = 3007000
_FRAME = struct.Struct(">II8s8s")
_LOG_HEAD, _FRAME_HEAD = 32, 24
_PIECE = 4 * 1024 * 1024
# Keeps a writer out for a moment only: whoever waits longer than this for the lock tries again later.
_PATIENCE = 2.0
_RESTLESS = 15.0


class Gap(Exception):
    """Committed pages may have left the log unseen; the text says how."""


@dataclass(frozen=True, slots=True)
class Head:
    """What SQLite's index of the log says: how many frames are committed, and in which generation of the log."""

    frames: int
    pages: int
    page_size: int
    salt: bytes
    backfilled: int

    @property
    def generation(self) -> int:
        """Counts up by one when the log is started anew."""
        return int.from_bytes(self.salt[:4], "big")


class WriteAheadLog:
    """The log of one database, guarded while this is open.

    A process that has this open must not open and close the database's file or its `-shm` by other means than SQLite:
    closing any descriptor of a file ends all locks that the process has on it.

    Args:
        database: the file.
    """

    def __init__(self, database: Path) -> None:
        self.database = database
        self._log = -1
        self._index = -1
        self._guard = self._connect()
        self._other = self._connect()
        try:
            self._guard.execute("PRAGMA journal_mode=WAL")
            # The index of an empty log does not tell it.
            self.page_size = int(self._guard.execute("PRAGMA page_size").fetchone()[0])
            self._begin(self._guard)
            self._open_files()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        opened = sqlite3.connect(self.database, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        opened.execute("PRAGMA wal_autocheckpoint=0")
        # As the portal's own connections: a checkpoint flushes the log first, whatever this says.
        opened.execute("PRAGMA synchronous=NORMAL")
        return opened

    @staticmethod
    def _begin(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    @staticmethod
    def _end(connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")

    def _open_files(self) -> None:
        name = str(self.database)
        self._index = os.open(f"{name}-shm", os.O_RDONLY)
        self._log = os.open(f"{name}-wal", os.O_RDONLY)

    def close(self) -> None:
        """Let go. SQLite's connections first, for the sake of their locks."""
        for connection in (self._guard, self._other):
            with suppress(sqlite3.Error):
                connection.close()
        for descriptor in (self._log, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._index = -1

    def head(self) -> Head:
        """What is committed now.

        Raises:
            Gap: the index is of a version that is not known.
        """
        begun, mended = time.monotonic(), False
        while time.monotonic() - begun < _RESTLESS:
            data = os.pread(self._index, 100, 0)
            if len(data) == 100 and data[:48] == data[48:96]:
                found = _INDEX.unpack_from(data)
                if found[0] != _INDEX_VERSION:
                    raise Gap(f"SQLite's index of the log has the unknown version {found[0]}")
                size = 65536 if found[5] == 1 else found[5]
                if found[6] and size != self.page_size:
                    raise Gap(f"the log has pages of {size} bytes, the database of {self.page_size}")
                backfilled = struct.unpack_from("=I", data, 96)[0]
                return Head(found[6], found[7], self.page_size, found[10], backfilled)
            # A writer is just changing it: two copies, written one after the other. Should it have been killed between
            # them, the next reader makes the index anew from the log.
            if not mended and time.monotonic() - begun > 1.0:
                mended = True
                with closing(self._connect()) as reader, suppress(sqlite3.OperationalError):
                    self._begin(reader)
            time.sleep(0.0005)
        raise Gap("SQLite's index of the log does not come to rest")

    def checksum(self, frame: int, head: Head) -> bytes:
        """Of a frame, by SQLite's own count over all frames before it: names a place in the log for good."""
        data = os.pread(self._log, _FRAME_HEAD, _LOG_HEAD + (frame - 1) * (_FRAME_HEAD + head.page_size))
        if len(data) < _FRAME_HEAD:
            return b""
        _, _, salt, found = _FRAME.unpack(data)
        return bytes(found) if salt == head.salt else b""

    def frames(self, first: int, last: int, head: Head) -> Iterator[tuple[int, int, bytes]]:
        """Committed frames: number of the page, size of the database after a commit or 0, the page.

        Raises:
            Gap: they are not what the index promises.
        """
        step = _FRAME_HEAD + head.page_size
        at = first
        while at <= last:
            count = max(1, min(last - at + 1, _PIECE // step))
            data = os.pread(self._log, count * step, _LOG_HEAD + (at - 1) * step)
            if len(data) != count * step:
                raise Gap(f"the log ends before frame {at + count - 1}")
            for number in range(count):
                page, size, salt, _ = _FRAME.unpack_from(data, number * step)
                if salt != head.salt or not page:
                    raise Gap(f"frame {at + number} of the log is of another generation")
                begin = number * step + _FRAME_HEAD
                yield page, size, data[begin : begin + head.page_size]
            at += count

    def advance(self) -> None:
        """Move the guard to the present: the new one stands before the old one goes."""
        self._begin(self._other)
        self._guard, self._other = self._other, self._guard
        self._end(self._other)

    def backfill(self) -> None:
        """Move what the guard lets pass into the database, without holding anybody up."""
        with suppress(sqlite3.OperationalError):
            self._other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def turn(self) -> Turn:
        """The write lock, under which the log is made ready to be started anew."""
        return Turn(self)


class Turn:
    """Nobody writes. First take what is left in the log, then `finish`.

    Between the end of the old guard and the beginning of the new one there is no writer, and what others could move into
    the database has been taken. If everything was moved, the new guard reads the database alone, and as long as it
    stands nothing more is moved; then the log is started anew by the next writer and not a second time.
    """

    def __init__(self, log: WriteAheadLog) -> None:
        self._log = log
        self._writer = log._connect()

    def __enter__(self) -> Turn:
        self._writer.execute("BEGIN IMMEDIATE")
        return self

    def finish(self) -> bool:
        """Move all into the database and stand guard anew. Returns whether the log will be started anew."""
        log = self._log
        log._end(log._guard)
        try:
            with suppress(sqlite3.OperationalError):
                log._guard.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            log._begin(log._guard)
        head = log.head()
        return head.backfilled >= head.frames

    def __exit__(self, *_: object) -> None:
        with suppress(sqlite3.Error):
            self._writer.execute("ROLLBACK")
        self._writer.close()
