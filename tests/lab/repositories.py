"""Backup repositories for tests and proofs: a place, its keys, sets with known contents, and places that do not behave."""

from __future__ import annotations

import errno
import io
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from apps.backups.repository import Control, FolderStore, ObjectStore, Repository, SetInfo, make_identity
from apps.backups.repository.control import QUIET
from apps.backups.repository.store import storage_error

Contents = dict[str, bytes]
WORDS = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text().split()


def text(seed: int, size: int) -> bytes:
    """Words that compress as real texts do, the same for the same seed."""
    chance = random.Random(seed)
    parts, have = [], 0
    while have < size:
        part = " ".join(chance.choices(WORDS, k=500)).encode()
        parts.append(part)
        have += len(part)
    return b"".join(parts)[:size]


def whole(opened: sqlite3.Connection) -> str:
    """What SQLite's own check says of a database: "ok", or what is wrong."""
    # Rules of tables use functions that only Django's connections have; they were kept when the rows were written.
    opened.execute("PRAGMA ignore_check_constraints = ON")
    return str(opened.execute("PRAGMA integrity_check").fetchone()[0])


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def contents(seed: int = 1, *, files: int = 20, dump: int = 600_000) -> Contents:
    """A dump, a database in pages, an empty file, texts and pictures."""
    found: Contents = {"db/dump.sql": text(seed, dump), "db/pages": noise(seed, 100_000), "files/empty": b""}
    for number in range(files):
        found[f"files/{seed}/{number}.md"] = text(seed * 1000 + number, 3000 + number)
    found[f"files/{seed}/picture"] = noise(seed + 7, 300_000)
    return found


@dataclass
class Place:
    """A repository in a folder with both its keys."""

    folder: Path
    identity: str
    recipient: str
    secret: bytes

    @classmethod
    def make(cls, folder: Path, store: ObjectStore | None = None) -> Place:
        """A new one."""
        identity, recipient = make_identity()
        made = Repository.create(store or FolderStore(folder), recipients=[recipient])
        return cls(folder, identity, recipient, made.writer_secret)

    @property
    def cache(self) -> Path:
        """Where the index lies."""
        return self.folder.with_name(self.folder.name + "-cache") / "index.db"

    def server(self, store: ObjectStore | None = None, *, cache: bool = True) -> Repository:
        """As the server has it: no identity."""
        return Repository.open(
            store or FolderStore(self.folder), cache=self.cache if cache else None, writer_secret=self.secret
        )

    def owner(self, store: ObjectStore | None = None) -> Repository:
        """As somebody has it who comes with the identity and nothing else."""
        return Repository.open(store or FolderStore(self.folder), identity=self.identity)

    def back_up(self, what: Contents, store: ObjectStore | None = None, kind: str = "full") -> SetInfo:
        """A set of these contents."""
        with closing(self.server(store)) as repository:
            return write(repository, what, kind)

    def restored(self, set_id: str, store: ObjectStore | None = None) -> Contents:
        """All contents of a set."""
        with closing(self.owner(store)) as repository:
            reader = repository.reader(set_id)
            return {entry.path: reader.open(entry.path).read() for entry in reader.entries()}

    def objects(self, prefix: str = "") -> list[Path]:
        """Stored objects, as files."""
        return sorted(self.folder / name for name, _ in FolderStore(self.folder).names(prefix))


def write(repository: Repository, what: Contents, kind: str = "full", control: Control = QUIET) -> SetInfo:
    """A set, each content cut as its kind is."""
    with repository.begin(kind=kind, labels={"made": "by a test"}, control=control) as writer:
        for path, data in what.items():
            cut = "content" if path.endswith(".sql") else "fixed" if path.startswith("db/") else "whole"
            writer.add_stream(path, io.BytesIO(data), chunking=cut)  # type: ignore[arg-type]
        return writer.commit({"files": len(what)})


def flip(path: Path, seed: int) -> None:
    """Change one bit somewhere in a file."""
    data, chance = bytearray(path.read_bytes()), random.Random(seed)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))


class FaultyStore:
    """A folder that does what a bad place does.

    Args:
        room: bytes that fit in, None for any.
        lose: every so many puts of packs, one is taken and not kept.
        cut: every so many puts of packs, one is kept only in part.
        hide: names that a listing does not show yet.
        refuse: every so many calls, one fails as a broken network does.
    """

    def __init__(self, folder: Path, *, room: int | None = None, lose: int = 0, cut: int = 0, refuse: int = 0) -> None:
        self.inner = FolderStore(folder)
        self.room, self.lose, self.cut, self.refuse = room, lose, cut, refuse
        self.hide: set[str] | None = None
        self.puts = self.calls = 0
        self.fresh: set[str] = set()

    def _call(self) -> None:
        self.calls += 1
        if self.refuse and self.calls % self.refuse == 0:
            raise storage_error("the network", OSError(errno.ECONNRESET, "Connection reset by peer"))

    def put(self, name: str, data: bytes) -> None:
        """Store, or pretend to."""
        self._call()
        if self.room is not None:
            if self.room < len(data):
                raise storage_error(name, OSError(errno.ENOSPC, "No space left on device"))
            self.room -= len(data)
        if name.startswith("packs/"):
            self.puts += 1
            if self.lose and self.puts % self.lose == 0:
                return
            if self.cut and self.puts % self.cut == 0:
                data = data[: len(data) // 2]
        self.inner.put(name, data)
        self.fresh.add(name)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """What is there."""
        self._call()
        return self.inner.get(name, start, length)

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """What is there, without what is too new when listings lag behind."""
        self._call()
        for name, size in self.inner.names(prefix):
            if self.hide is None or name not in self.hide:
                yield name, size

    def delete(self, name: str) -> None:
        """Remove."""
        self._call()
        self.inner.delete(name)


def chunk_copies(place: Place) -> tuple[int, int]:
    """Bytes of all chunks in packs, and of each chunk once."""
    with closing(place.server(cache=False)) as repository:
        repository.sync()
        rows = repository.index.rows(
            "select sum(stored), (select sum(s) from (select max(stored) s from blobs group by id)) from blobs"
        )
        return int(rows[0][0] or 0), int(rows[0][1] or 0)  # type: ignore[call-overload]


__all__ = ["Contents", "FaultyStore", "Place", "chunk_copies", "contents", "flip", "noise", "text", "whole", "write"]
