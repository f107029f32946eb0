"""Writing a set: sources in, chunks that are not there yet into packs, and the record last."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from apps.backups.repository.chunks import Chunking, ListCutter, chunked
from apps.backups.repository.control import Control
from apps.backups.repository.errors import ObjectMissing, RepositoryError, RunTooLong, SourceChanged, StorageFailed
from apps.backups.repository.files import OnProblem, add_files, source_key, walk
from apps.backups.repository.keys import seal_for
from apps.backups.repository.marks import COMMIT_MARGIN
from apps.backups.repository.naming import Naming
from apps.backups.repository.packs import Wrap
from apps.backups.repository.sealing import Cipher, new_data_key, seal_record
from apps.backups.repository.sets import Entry, Listing, Manifest, SetInfo, new_set_id, set_name, valid_path
from apps.backups.repository.shipping import Line, Shipper, put_checked

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository

_INDEX_KEY, _DATA_KEY = 0, 1
_MANY = 512
_REMEMBER = 500


class SetWriter:
    """Collects one set. Leave the `with` block without `commit` and nothing of it counts.

    One thread uses it; it compresses, encrypts and ships in threads of its own.
    """

    def __init__(self, repository: Repository, *, kind: str, labels: Mapping[str, str], control: Control) -> None:
        self._repository = repository
        self._control = control
        self._kind, self._labels = kind, dict(labels)
        self._created = datetime.now(UTC)
        self.id = new_set_id(self._created)
        key = new_data_key()
        wraps = [Wrap(repository.record.current.number, seal_for(key, [repository.record.current.recipient]))]
        self._data_cipher, self._index_cipher = Cipher(key), repository.index_cipher
        self._contents, self._lists = Line(wraps), Line(wraps, lists=True)
        self._index = repository.index
        self._ids_of = repository.keys.chunk_id
        self._shipper = Shipper(
            repository.store, repository.index, repository.index_cipher, repository.id, control=control
        )
        self._entry_cutter, self._ref_cutter = ListCutter(), ListCutter(width=32)
        self._entry_ids: list[bytes] = []
        self._ref_ids: list[bytes] = []
        self._relied: set[int] = set()
        self._remembered: list[tuple[str, int, str, bytes]] = []
        self._bytes = self._entries = self._chunks = 0
        self._state = "open"

    def __enter__(self) -> SetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state != "done":
            self.abandon()

    # What goes in

    def add_bytes(self, path: str, data: bytes, *, meta: Mapping[str, Any] | None = None, key: str = "") -> Entry:
        """A small thing that is in memory."""
        return self.add_stream(path, io.BytesIO(data), chunking="whole", meta=meta, key=key)

    def add_stream(
        self,
        path: str,
        reader: BinaryIO,
        *,
        chunking: Chunking = "content",
        meta: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> Entry:
        """A stream of any length: "content" for dumps, "fixed" for databases in pages, "whole" for files.

        With a `key` that names this content for ever (a digest, say), `add_known` finds it without reading it again.
        """
        self._may_add(path)
        size = count = 0
        ids: list[bytes] = []
        naming = Naming(self._ids_of, self._shipper.pace)
        try:
            with closing(naming.run(chunked(reader, chunking))) as named:
                for parts, names in named:
                    self._control.check()
                    self._control.pace()
                    self._store_named(names, parts, self._contents, _DATA_KEY)
                    size += sum(map(len, parts))
                    count += len(parts)
                    if key:
                        ids += names
                    self._refer(names)
                    self._control.progress("store", self._bytes + size)
        except OSError as error:
            self._state = "broken" if naming.begun else self._state
            raise SourceChanged(f"{path} could not be read to its end: {error}.") from error
        except RepositoryError:
            self._state = "broken"
            raise
        if key:
            self._remember(key, size, naming.sha256, ids)
        return self._entry(Entry(path, size, count, naming.sha256, meta or {}))

    def add_file(self, path: str, source: Path, *, meta: Mapping[str, Any] | None = None) -> Entry:
        """A file of this machine, whole; one that has not changed since the last set is not read."""
        try:
            found = source.stat()
            if not stat.S_ISREG(found.st_mode):
                raise SourceChanged(f"{source} is no regular file.")
            key, settled = source_key(str(source), found)
            entry = self.add_known(path, key, meta=meta)
            if entry is not None:
                return entry
            with source.open("rb", buffering=0) as file:
                return self.add_stream(path, file, chunking="whole", meta=meta, key=key if settled else "")
        except OSError as error:
            raise SourceChanged(f"{source} cannot be read: {error.strerror}.") from error

    def add_files(self, files: Iterable[tuple[str, str]], *, on_problem: OnProblem | None = None) -> int:
        """Many files, given as path in the set and source; faster than one by one. Returns how many were taken.

        Args:
            on_problem: called with the path and the error for a file that cannot be read; without it the error is raised.
        """
        return add_files(self, files, on_problem)

    def add_folder(self, prefix: str, folder: Path, *, on_problem: OnProblem | None = None) -> int:
        """All regular files below a folder."""
        return self.add_files(walk(folder, prefix), on_problem=on_problem)

    def add_known(self, path: str, key: str, *, meta: Mapping[str, Any] | None = None) -> Entry | None:
        """What was stored under this key before, without reading it. None: not known, or no longer there."""
        found = self._index.known(key)
        if found is None:
            return None
        size, sha256, ids = found
        if len(ids) == 1:
            pack = self._index.usable(ids[0])
            if pack is not None:
                self._relied.add(pack)
            elif not self._shipper.holds(ids[0]):
                return None
        else:
            places = self._index.usable_many(ids)
            if any(chunk not in places and not self._shipper.holds(chunk) for chunk in ids):
                return None
            self._relied.update(places.values())
        self._may_add(path)
        self._refer(ids)
        entry = self._entry(Entry(path, size, len(ids), sha256, meta or {}))
        self._control.progress("store", self._bytes)
        return entry

    # For `add_files`

    def known_many(self, keys: Sequence[str]) -> dict[str, tuple[int, str, list[bytes]]]:
        """What is known of many sources, as far as all of it is still there."""
        found = self._index.known_many(keys)
        ids = [chunk for _, _, chunks in found.values() for chunk in chunks]
        places = self._index.usable_many(ids)
        self._relied.update(places.values())
        held = self._shipper.pending
        return {
            key: value for key, value in found.items() if all(chunk in places or chunk in held for chunk in value[2])
        }

    def name_of(self, data: bytes) -> bytes:
        """The name of a chunk. May be called by any thread."""
        return self._ids_of(data)

    def store_named(self, ids: Sequence[bytes], parts: Sequence[bytes]) -> None:
        """Store what is new of chunks that have their names."""
        self._store_named(ids, parts, self._contents, _DATA_KEY)

    def refer(self, entry: Entry, ids: Sequence[bytes], key: str) -> None:
        """Put an entry into the set whose chunks are stored."""
        self._may_add(entry.path)
        self._refer(ids)
        self._entry(entry)
        if key:
            self._remember(key, entry.size, entry.sha256, ids)
        self._control.progress("store", self._bytes)

    def _may_add(self, path: str) -> None:
        if self._state != "open":
            raise RepositoryError(f"The set is {self._state}; nothing can be added.")
        if not valid_path(path):
            raise RepositoryError(
                f"{path!r} is no path of an entry.", remedy="Use a relative path with slashes, without . and .."
            )

    def _store(self, parts: Sequence[bytes | memoryview], line: Line, key: int) -> list[bytes]:
        """The ids of the parts; those that are new are on their way into a pack."""
        ids = [self._ids_of(part) for part in parts]
        self._store_named(ids, parts, line, key)
        return ids

    def _store_named(self, ids: Sequence[bytes], parts: Sequence[bytes | memoryview], line: Line, key: int) -> None:
        pending = self._shipper.pending
        if len(ids) == 1:
            pack = None if ids[0] in pending else self._index.usable(ids[0])
            known = {} if pack is None else {ids[0]: pack}
        else:
            known = self._index.usable_many([chunk for chunk in ids if chunk not in pending])
        self._relied.update(known.values())
        cipher = self._data_cipher if key else self._index_cipher
        for chunk, part in zip(ids, parts, strict=True):
            if chunk not in known and chunk not in pending:
                self._shipper.add(line, chunk, part, cipher, key)

    def _refer(self, ids: Sequence[bytes]) -> None:
        self._chunks += len(ids)
        for piece in self._ref_cutter.add(b"".join(ids)):
            self._ref_ids += self._list_chunk(piece, _INDEX_KEY)

    def _entry(self, entry: Entry) -> Entry:
        for piece in self._entry_cutter.add(entry.encode()):
            self._entry_ids += self._list_chunk(piece, _DATA_KEY)
        self._entries += 1
        self._bytes += entry.size
        return entry

    def _list_chunk(self, piece: bytes, key: int) -> list[bytes]:
        return self._store([piece], self._lists, key)

    def _remember(self, key: str, size: int, sha256: str, ids: Sequence[bytes]) -> None:
        self._remembered.append((key, size, sha256, b"".join(ids)))
        if len(self._remembered) >= _REMEMBER:
            self._index.remember(self._remembered)
            self._remembered = []

    # The end

    def commit(self, manifest_extra: Mapping[str, Any] | None = None) -> SetInfo:
        """Make everything durable, look at it, and write the record. Only after this there is a set."""
        if self._state != "open":
            raise RepositoryError(f"The set is {self._state}; it cannot be committed.")
        try:
            info = self._commit(manifest_extra or {})
        except BaseException:
            self.abandon()
            raise
        self._state = "done"
        self._shipper.close()
        return info

    def _commit(self, extra: Mapping[str, Any]) -> SetInfo:
        repository = self._repository
        self._control.progress("commit", 0)
        for piece in self._entry_cutter.finish():
            self._entry_ids += self._list_chunk(piece, _DATA_KEY)
        for piece in self._ref_cutter.finish():
            self._ref_ids += self._list_chunk(piece, _INDEX_KEY)
        entries, refs = self._listing(self._entry_ids), self._listing(self._ref_ids)
        self._shipper.flush(self._contents, self._lists)
        if self._remembered:
            self._index.remember(self._remembered)
        self._control.check()
        self._look_at_packs()
        info = SetInfo(
            id=self.id,
            created=self._created,
            kind=self._kind,
            labels=self._labels,
            bytes_source=self._bytes,
            bytes_added=self._shipper.bytes_added,
            entries=self._entries,
            chunks=self._chunks,
            finished=datetime.now(UTC),
            extra=dict(extra),
        )
        name = set_name(self.id)
        data = seal_record(repository.index_cipher, name, Manifest(info, entries, refs).encode())
        for place in (f"twins/{name}", name):
            put_checked(repository.store, place, data, self._control)
        if repository.records.get(name) != data:
            raise StorageFailed(f"The storage took {name} and gives back something else.")
        self._index.see(self.id)
        self._control.progress("commit", 1, 1)
        return info

    def _listing(self, ids: list[bytes]) -> Listing:
        """A list of many chunks becomes a chunk itself, and so on until it is short."""
        level = 0
        while len(ids) > _MANY:
            cutter, upper = ListCutter(width=32), []
            for at in range(0, len(ids), _MANY):
                for piece in cutter.add(b"".join(ids[at : at + _MANY])):
                    upper += self._list_chunk(piece, _INDEX_KEY)
            for piece in cutter.finish():
                upper += self._list_chunk(piece, _INDEX_KEY)
            ids, level = upper, level + 1
        return Listing(level, tuple(ids))

    def _look_at_packs(self) -> None:
        """Every pack that the set counts on is there with its size, and none is about to be deleted."""
        repository = self._repository
        there = dict(repository.store.names("packs/"))
        numbers = {number: (name, size) for name, (number, size) in self._index.packs().items()}
        wanted = {numbers.get(number, ("", 0)) for number in self._relied}
        sizes = dict(numbers.values())
        wanted |= {(name, sizes[name]) for name in self._shipper.packs_added if name in sizes}
        soon = {pack for doom in repository.marks.dooms() if doom.due(margin=COMMIT_MARGIN) for pack in doom.packs}
        for name, size in wanted:
            if not name or name in soon or (there.get(name) != size and not self._is_there(name, size)):
                raise RunTooLong(f"A pack that this set counts on is gone or about to go: {name or 'it was pruned'}.")

    def _is_there(self, name: str, size: int) -> bool:
        """A listing may lag behind; a look at the object itself does not."""
        try:
            return len(self._repository.store.get(name, size - 1, 2)) == 1
        except ObjectMissing:
            return False

    def abandon(self) -> None:
        """Give up. Packs that are durable stay: the next run finds them."""
        if self._state != "done":
            self._state = "abandoned"
        self._shipper.close()
