"""SQLite: copied with its own online backup, and put back by the same means.

A copy of the file was malformed five times out of five under load, and a copy in steps never ended, because each
foreign write starts it anew; one step (`pages=-1`) was whole every time and held writers back by 17 ms.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.backends.sqlite3._functions import register as register_functions  # type: ignore[import-untyped]

from aiwriter.core.errors import StorageFull, Unavailable
from apps.backups.services import capture_state
from apps.backups.services.contents import DATABASE

if TYPE_CHECKING:
    from apps.backups.services.progress import Progress

_PATIENCE = 60.0
_MASK = (1 << 128) - 1


@dataclass
class SqliteSnapshot:
    """A finished copy: the copy is the snapshot."""

    path: Path
    capture: dict[str, Any] = field(default_factory=dict)
    version: str = sqlite3.sqlite_version
    engine: str = "sqlite"

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Read from the copy."""
        with contextlib.closing(reading(self.path)) as opened:
            yield from opened.execute(sql)

    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows and digest of every table."""
        return measure(self.path)

    def write(self, writer: Any, progress: Progress) -> None:
        """Put the file into a set, in pieces of 16 KiB that lie where pages lie."""
        progress.phase("database", self.size)
        with self.path.open("rb") as file:
            writer.add_stream(DATABASE["sqlite"], file, chunking="fixed")


@contextlib.contextmanager
def snapshot(scratch: Path) -> Iterator[SqliteSnapshot]:
    """Copy the portal's database.

    Raises:
        StorageFull: the copy does not fit.
        Unavailable: the database cannot be read.
    """
    path = scratch / "aiwriter.sqlite3"
    before = capture_state.seal_now()
    copy_live(path)
    try:
        yield SqliteSnapshot(path, capture=_base(before))
    finally:
        path.unlink(missing_ok=True)


def _base(before: capture_state.CaptureState | None) -> dict[str, Any]:
    """From which segment on changes are to be put over the copy, and from which moment on it is whole with them.

    The copy is of some moment between two segments. Pages are captured whole: putting some over the copy that it has
    already does no harm, as long as all that came before the copy was finished are put over it.
    """
    after = capture_state.seal_now() if before is not None else None
    if before is None or after is None or after.line != before.line:
        return {}
    return {"line": before.line, "first": before.number + 1, "last": after.number, "from": after.until}


def live_path() -> Path:
    """Where the portal's database lies."""
    return Path(connection.settings_dict["NAME"])


def copy_live(path: Path) -> None:
    """A whole copy of the portal's database, while it is written to. Errors as for `snapshot`."""
    name = str(connection.settings_dict["NAME"])
    path.touch(mode=0o600)
    try:
        if connection.in_atomic_block or "memory" in name:
            # Nobody but the connection itself sees what there is to copy, and a backup refuses while it writes.
            path.write_bytes(connection.connection.serialize())
        else:
            require_space(path.parent, Path(name).stat().st_size)
            with contextlib.closing(sqlite3.connect(name, timeout=_PATIENCE)) as source:
                with contextlib.closing(sqlite3.connect(path)) as target:
                    source.backup(target, pages=-1, progress=_patience())
                # Writers went on meanwhile and could not recycle the log: at full speed it reached 1.3 GB.
                # Where changes are captured, the capture does that, and nobody else can.
                with contextlib.suppress(sqlite3.Error):
                    if capture_state.wanted() is not None:
                        return
                    source.execute("PRAGMA busy_timeout=200")
                    source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        path.unlink(missing_ok=True)
        if "full" in str(error):
            raise no_space(path.parent) from error
        raise Unavailable(
            f"The database could not be copied: {error}.", remedy="Look at the health page, then try again."
        ) from error


def _patience() -> Callable[[int, int, int], None]:
    """Python's backup tries again for ever while somebody holds a lock; this ends it."""
    end = time.monotonic() + _PATIENCE

    def look(status: int, _remaining: int, _total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > end:
            raise sqlite3.OperationalError("database is locked")

    return look


def require_space(folder: Path, needed: int) -> None:
    """Refuse before anything is written.

    Raises:
        StorageFull: the folder's disk has less than 1.2 times as much.
    """
    if shutil.disk_usage(folder).free < needed * 1.2:
        raise no_space(folder, needed)


def no_space(folder: Path, needed: int = 0) -> StorageFull:
    """The error of a full disk."""
    wanted = f" {needed * 1.2 / 2**20:,.0f} MiB are needed." if needed else ""
    error = StorageFull(
        f"No space is left in {folder}.{wanted}", remedy="Make space on that disk; nothing was changed."
    )
    error.exit_code = 13
    return error


def reading(path: Path) -> sqlite3.Connection:
    """Open a file that nobody writes to; without it SQLite would put a log beside it."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def measure(path: Path) -> dict[str, dict[str, Any]]:
    """Rows and digest of every table of a file that nobody writes to."""
    with contextlib.closing(reading(path)) as opened:
        # The tables of a full-text index are counted; the index itself is only a view of them.
        names = [
            name
            for name, sql in opened.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name")
            if not name.startswith("sqlite_") and not (sql or "").upper().startswith("CREATE VIRTUAL")
        ]
        return {name: _measure(opened, name) for name in names}


def _measure(opened: sqlite3.Connection, name: str) -> dict[str, Any]:
    quoted = '"' + name.replace('"', '""') + '"'
    columns = [row[1] for row in opened.execute(f"PRAGMA table_info({quoted})")]
    parts = " || ',' || ".join('quote("' + column.replace('"', '""') + '")' for column in columns)
    count = total = 0
    for (line,) in opened.execute(f"SELECT {parts} FROM {quoted}"):  # noqa: S608  names of the schema itself
        count += 1
        total += int.from_bytes(hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big")
    return {"rows": count, "digest": f"{total & _MASK:032x}"}


def check(path: Path) -> None:
    """Whether a restored file is a whole database.

    Raises:
        Unavailable: it is not.
    """
    try:
        with contextlib.closing(reading(path)) as opened:
            # Rules of tables use functions that Django gives to its connections; the check evaluates these rules too.
            register_functions(opened)
            answer = opened.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        raise Unavailable(f"The restored database is not whole: {answer}.", remedy="Use another set.")


def switch_to(path: Path) -> None:
    """Make the portal's database what a restored file is, for every process at once.

    SQLite's backup runs in the other direction: one transaction that replaces every page. Whoever reads meanwhile reads
    the old state to its end; the next statement of every process sees the new one. No process has to be restarted.

    Raises:
        Unavailable: the database is busy or the restored file cannot be read. Nothing was changed.
    """
    name = str(connection.settings_dict["NAME"])
    try:
        with (
            contextlib.closing(reading(path)) as source,
            contextlib.closing(sqlite3.connect(name, timeout=_PATIENCE)) as target,
        ):
            target.execute("PRAGMA busy_timeout=60000")
            source.backup(target, pages=-1, progress=_patience())
            target.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        raise Unavailable(
            f"The database could not be replaced: {error}.", remedy="Nothing was changed. Try again in a quiet minute."
        ) from error
