"""The local index: which chunk lies where. It is a cache in SQLite, rebuilt from the packs' trailers whenever it is gone."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import Damaged, ObjectMissing
from apps.backups.repository.packs import PLACE, Item

_SCHEMA = """
create table if not exists meta (key text primary key, value text) without rowid;
create table if not exists packs (
    number integer primary key, name text unique not null, size integer not null,
    lists integer not null default 0, damaged integer not null default 0, doomed integer not null default 0, verified real not null default 0);
create table if not exists blobs (
    id blob not null, pack integer not null, start integer not null, stored integer not null, raw integer not null,
    key integer not null, primary key (id, pack)) without rowid;
create table if not exists known (key text primary key, size integer not null, digest text not null, ids blob not null)
    without rowid;
create table if not exists seen (id text primary key) without rowid;
"""
_LAYOUT = "3"
_ROWS = 100  # Six values each: SQLite before 3.32 took 999 in a statement.


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk lies."""

    pack: int
    name: str
    start: int
    stored: int
    raw: int
    key: int
    lists: int


class Index:
    """Chunks, packs and their state, as this machine knows them.

    Args:
        path: the SQLite file, None for memory. A file of another repository or a damaged one is thrown away.
        repository: the repository's id.
    """

    def __init__(self, path: Path | None, repository: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = self._open(path, repository)
        except sqlite3.DatabaseError:
            self._remove()
            self._db = self._open(path, repository)
        self.unreadable: dict[str, str] = {}
        self.fresh = False

    def _remove(self) -> None:
        if self.path is not None:
            for ending in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self.path.with_name(self.path.name + ending).unlink()

    def _open(self, path: Path | None, repository: str) -> sqlite3.Connection:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        db = sqlite3.connect(str(path or ":memory:"), check_same_thread=False, timeout=60, isolation_level=None)
        try:
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=normal")
            db.execute("pragma cache_size=-65536")
            db.executescript(_SCHEMA)
            owner = dict(db.execute("select key, value from meta"))
            if owner and owner != {"repository": repository, "layout": _LAYOUT}:
                for table in ("blobs", "packs", "known", "seen", "meta"):
                    db.execute(f"delete from {table}")  # noqa: S608
                owner = {}
            if not owner:
                db.executemany(
                    "insert or replace into meta values (?, ?)", [("repository", repository), ("layout", _LAYOUT)]
                )
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def work(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Rows of a query."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # What is there

    def sync(
        self,
        listed: Iterable[tuple[str, int]],
        read: Callable[[str, int], tuple[list[Item], bool]],
        *,
        damaged: Collection[str] = (),
        doomed: Collection[str] = (),
        control: Control = QUIET,
    ) -> list[str]:
        """Take over what a listing of the packs says: new ones are read, packs that are gone are forgotten.

        Returns the names of packs that were known and are gone.
        """
        there = {name: size for name, size in listed if name.startswith(PLACE)}
        have: dict[str, tuple[int, int, int]] = {}
        with self._lock:
            for number, name, size, bad in self._db.execute("select number, name, size, damaged from packs"):
                have[name] = (number, size, bad)
        gone = [number for name, (number, size, _) in have.items() if there.get(name) != size]
        if gone:
            self.forget(gone)
        new = [name for name, size in there.items() if name not in have or have[name][1] != size]
        self.unreadable = {}
        for done, name in enumerate(new):
            control.check()
            try:
                self.add_pack(name, there[name], *read(name, there[name]))
            except (Damaged, ObjectMissing) as error:
                self.unreadable[name] = error.message
            control.progress("index", done + 1, len(new))
        with self.work() as db:
            db.execute("update packs set damaged = 0 where damaged")
            db.execute("update packs set doomed = 0 where doomed")
            db.executemany("update packs set damaged = 1 where name = ?", [(name,) for name in damaged])
            db.executemany("update packs set doomed = 1 where name = ?", [(name,) for name in doomed])
        self.fresh = True
        return sorted(name for name in have if name not in there)

    def doubt(self, names: Collection[str]) -> None:
        """Count these packs as damaged until the next `sync`."""
        with self.work() as db:
            db.executemany("update packs set damaged = 1 where name = ?", [(name,) for name in names])

    def add_pack(self, name: str, size: int, items: Sequence[Item], lists: bool = False) -> int:
        """Know a pack that is durable."""
        with self.work() as db:
            row = db.execute("select number from packs where name = ?", (name,)).fetchone()
            if row is not None:
                return int(row[0])
            number = (
                db.execute("insert into packs (name, size, lists) values (?, ?, ?)", (name, size, lists)).lastrowid or 0
            )
            rows = sorted((item.id, number, item.start, item.stored, item.raw, item.key) for item in items)
            # Many rows a statement: each step of one lets go of the interpreter, and waits to get it back.
            for at in range(0, len(rows), _ROWS):
                part = rows[at : at + _ROWS]
                marks = ",".join(["(?, ?, ?, ?, ?, ?)"] * len(part))
                db.execute(f"insert or ignore into blobs values {marks}", [value for row in part for value in row])  # noqa: S608
        return number

    def forget(self, numbers: Sequence[int]) -> None:
        """Packs that are gone."""
        with self.work() as db:
            for at in range(0, len(numbers), 500):
                part = numbers[at : at + 500]
                marks = ",".join("?" * len(part))
                db.execute(f"delete from blobs where pack in ({marks})", part)  # noqa: S608
                db.execute(f"delete from packs where number in ({marks})", part)  # noqa: S608

    def packs(self) -> dict[str, tuple[int, int]]:
        """Number and size of each pack by name."""
        return {str(n): (int(k), int(s)) for k, n, s in self.rows("select number, name, size from packs")}  # type: ignore[call-overload]

    def list_packs(self) -> dict[str, int]:
        """Sizes of the packs that hold lists, by name."""
        return {str(n): int(s) for n, s in self.rows("select name, size from packs where lists")}  # type: ignore[call-overload]

    # Where a chunk is

    def usable(self, chunk: bytes) -> int | None:
        """The pack that a writer may count on for a chunk, None when it has to be stored."""
        with self._lock:
            row = self._db.execute(
                "select pack from blobs where id = ? and pack not in (select number from packs where damaged or doomed)"
                " limit 1",
                (chunk,),
            ).fetchone()
        return None if row is None else row[0]

    def usable_many(self, chunks: Sequence[bytes]) -> dict[bytes, int]:
        """The packs that a writer may count on for many chunks."""
        found: dict[bytes, int] = {}
        with self._lock:
            bad = [row[0] for row in self._db.execute("select number from packs where damaged or doomed")]
            for at in range(0, len(chunks), 500):
                part = chunks[at : at + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"select id, pack from blobs where id in ({marks})", part)  # noqa: S608
                if bad:
                    shut = set(bad)
                    found.update((chunk, pack) for chunk, pack in rows if pack not in shut)
                else:
                    found.update(rows)
        return found

    def places(self, chunk: bytes) -> list[Place]:
        """All places of a chunk, sound packs first."""
        with self._lock:
            rows = self._db.execute(
                "select p.number, p.name, b.start, b.stored, b.raw, b.key, p.lists from blobs b join packs p on p.number = b.pack"
                " where b.id = ? order by p.damaged, p.doomed, p.number",
                (chunk,),
            ).fetchall()
        return [Place(*row) for row in rows]

    def absent(self, chunks: Sequence[bytes]) -> list[bytes]:
        """Those of the chunks that no sound pack has."""
        found: set[bytes] = set()
        with self._lock:
            bad = {row[0] for row in self._db.execute("select number from packs where damaged")}
            for at in range(0, len(chunks), 500):
                part = chunks[at : at + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"select id, pack from blobs where id in ({marks})", part)  # noqa: S608
                found.update(chunk for chunk, pack in rows if pack not in bad)
        return [chunk for chunk in chunks if chunk not in found]

    def in_packs(self, chunks: Sequence[bytes], names: Collection[str]) -> set[bytes]:
        """Those of the chunks that one of these packs has."""
        numbers = {number for name, (number, _) in self.packs().items() if name in names}
        found: set[bytes] = set()
        with self._lock:
            for at in range(0, len(chunks), 500):
                part = chunks[at : at + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"select id, pack from blobs where id in ({marks})", part)  # noqa: S608
                found.update(chunk for chunk, pack in rows if pack in numbers)
        return found

    def is_held_elsewhere(self, pack: str) -> bool:
        """Whether each chunk of a pack is in another sound one too."""
        return not self.rows(
            "select 1 from blobs b join packs p on p.number = b.pack where p.name = ? and not exists (select 1 from"
            " blobs o join packs q on q.number = o.pack where o.id = b.id and o.pack != b.pack and not q.damaged) limit 1",
            (pack,),
        )

    def items(self, pack: str) -> list[Item]:
        """What a pack holds, in order."""
        with self._lock:
            rows = self._db.execute(
                "select b.id, b.start, b.stored, b.raw, b.key from blobs b join packs p on p.number = b.pack"
                " where p.name = ? order by b.start",
                (pack,),
            ).fetchall()
        return [Item(*row) for row in rows]

    def places_many(self, chunks: Sequence[bytes]) -> dict[bytes, Place]:
        """The best place of each of many chunks."""
        found: dict[bytes, Place] = {}
        with self._lock:
            for at in range(0, len(chunks), 500):
                part = chunks[at : at + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    "select b.id, p.number, p.name, b.start, b.stored, b.raw, b.key, p.lists from blobs b"  # noqa: S608
                    f" join packs p on p.number = b.pack where b.id in ({marks})"
                    " order by p.damaged desc, p.doomed desc, p.number desc",
                    part,
                )
                found.update((row[0], Place(*row[1:])) for row in rows)
        return found

    # Files that do not change

    def known(self, key: str) -> tuple[int, str, list[bytes]] | None:
        """Size, digest and chunks of a source that was stored under this key."""
        with self._lock:
            row = self._db.execute("select size, digest, ids from known where key = ?", (key,)).fetchone()
        if row is None:
            return None
        ids: bytes = row[2]
        return row[0], row[1], [ids[at : at + 32] for at in range(0, len(ids), 32)]

    def known_many(self, keys: Sequence[str]) -> dict[str, tuple[int, str, list[bytes]]]:
        """The same of many sources."""
        found = {}
        with self._lock:
            for at in range(0, len(keys), 500):
                part = keys[at : at + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"select key, size, digest, ids from known where key in ({marks})", part)  # noqa: S608
                for key, size, digest, ids in rows:
                    found[key] = (size, digest, [ids[at : at + 32] for at in range(0, len(ids), 32)])
        return found

    def remember(self, rows: Sequence[tuple[str, int, str, bytes]]) -> None:
        """Keep what sources consist of."""
        with self.work() as db:
            db.executemany("insert or replace into known values (?, ?, ?, ?)", rows)

    def forget_sources(self) -> None:
        """Drop what sources consist of where a part of it is in no pack any more."""
        with self.work() as db:
            db.execute("delete from known where not exists (select 1 from blobs where id = substr(known.ids, 1, 32))")

    # Sets that were here

    def see(self, set_id: str) -> None:
        """The set is here."""
        with self.work() as db:
            db.execute("insert or ignore into seen values (?)", (set_id,))

    def unsee(self, set_ids: Iterable[str]) -> None:
        """The sets are gone or about to go, and that is meant."""
        with self.work() as db:
            db.executemany("delete from seen where id = ?", [(set_id,) for set_id in set_ids])

    def unseen(self, present: Iterable[str]) -> list[str]:
        """Sets that were here and are not among those present."""
        there = set(present)
        return sorted(str(row[0]) for row in self.rows("select id from seen") if row[0] not in there)

    # When a pack was read last

    def oldest_first(self) -> list[tuple[str, int]]:
        """Names and sizes of packs, those first whose bytes were not looked at for longest."""
        return [
            (str(name), int(size))  # type: ignore[call-overload]
            for name, size in self.rows("select name, size from packs order by verified, name")
        ]

    def mark_verified(self, names: Sequence[str]) -> None:
        """These packs were read now."""
        with self.work() as db:
            db.executemany("update packs set verified = ? where name = ?", [(time.time(), name) for name in names])
