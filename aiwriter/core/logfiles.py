"""The log as files: one JSON object a line, a file for each hour, written by all processes of a machine together.

A line is written with one call in append mode, which the kernel does not mix with another process's. Files end with their
hour and are removed whole, so that what is older than its time is really gone; nothing has to be rewritten.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAX_LINE = 16 * 1024
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2})\.jsonl")
_HOUR = 3600
_BLOCK = 256 * 1024


class HourFileHandler(logging.Handler):
    """Appends to the file of the present hour.

    Args:
        folder: made when the first line comes.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._file, self._until = -1, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. A full disk must not fail what is being logged."""
        try:
            line = self.format(record).encode()
            now = time.time()
            if now >= self._until:
                self._open(now)
            if len(line) > MAX_LINE:
                line = self._shortened(record)
            os.write(self._file, line + b"\n")
        except OSError:
            self._until = 0.0
        except Exception:  # noqa: BLE001
            self.handleError(record)

    def _shortened(self, record: logging.LogRecord) -> bytes:
        """Its beginning: a cut line would be no JSON."""
        short = logging.makeLogRecord(record.__dict__)
        short.msg, short.args = record.getMessage()[: MAX_LINE // 8] + " …", ()
        short.exc_info, short.facts = None, {}
        return self.format(short).encode()[:MAX_LINE]

    def _open(self, now: float) -> None:
        self.close_file()
        hour = int(now) // _HOUR * _HOUR
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{dt.datetime.fromtimestamp(hour, dt.UTC):%Y-%m-%dT%H}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._until = hour + _HOUR

    def close_file(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            with suppress(OSError):
                os.close(self._file)
        self._file, self._until = -1, 0.0

    def close(self) -> None:
        """Let go of everything."""
        self.close_file()
        super().close()


def hour_of(path: Path) -> dt.datetime | None:
    """When a file begins; None for what is no file of the log."""
    match = _NAME.fullmatch(path.name)
    return dt.datetime.strptime(f"{match.group(1)}+0000", "%Y-%m-%dT%H%z") if match else None


def files(folder: Path) -> list[tuple[dt.datetime, Path]]:
    """The files of the log with their hours, the oldest first."""
    found = [(hour, path) for path in folder.glob("*.jsonl") if (hour := hour_of(path)) is not None]
    return sorted(found)


def remove_old(folder: Path, *, days: int, megabytes: int, now: dt.datetime) -> list[str]:
    """Remove files whose last line is older than it may be, and the oldest of those that are too large together.

    Args:
        folder: of the log.
        days: how long lines are kept.
        megabytes: how large the log may be.
        now: when.

    Returns:
        the names of the files that are gone.
    """
    gone: list[str] = []
    there = files(folder)
    sizes = {path: path.stat().st_size for _, path in there}
    for hour, path in there[:-1]:
        old = now - hour >= dt.timedelta(days=days, hours=1)
        if old or sum(sizes.values()) > megabytes * 1024 * 1024:
            path.unlink(missing_ok=True)
            gone.append(path.name)
            sizes.pop(path)
    return gone


def lines_backwards(path: Path, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The lines of a file from its end to its beginning, each with where it begins.

    Args:
        path: which.
        end: only what stands before this; everything when left out.
    """
    with path.open("rb") as file:
        position = min(file.seek(0, os.SEEK_END), end if end is not None else 1 << 62)
        rest = b""
        while position > 0:
            size = min(_BLOCK, position)
            position -= size
            file.seek(position)
            block = file.read(size) + rest
            first, *whole = block.split(b"\n")
            # What stands before the first line break may have begun in the block before.
            at = position + len(block)
            for line in reversed(whole):
                at -= len(line)
                if line:
                    yield at, line
                at -= 1
            rest = first
        if rest:
            yield 0, rest
