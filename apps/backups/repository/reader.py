"""Reading a set: its entries, a stream of one of them, all of them into a folder."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import Damaged, NoSuchEntry
from apps.backups.repository.index import Place
from apps.backups.repository.reading import ChunkReader
from apps.backups.repository.sets import Entry, Manifest, SetInfo, valid_path
from apps.backups.repository.shipping import threads_for_sealing
from apps.backups.repository.store import FolderStore, storage_error

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository

_BATCH_BYTES = 2 * 1024 * 1024
_BATCH_CHUNKS = 128
_GROUP = 4096
_MANY = 200
# A document is wanted alone, or all of them: from the third on, the list is kept.
_SCANS = 2


@dataclass(frozen=True, slots=True)
class _Located:
    entry: Entry
    first: int


class SetReader:
    """One set. Needs an identity, except for `info` and `chunk_ids`. Takes no lock and writes nothing."""

    def __init__(self, repository: Repository, manifest: Manifest) -> None:
        self._repository = repository
        self._manifest = manifest
        self._chunks = ChunkReader(repository)
        self._entries: dict[str, _Located] | None = None
        self._lookups = 0
        self._ref_ids: list[bytes] | None = None
        self._ref_starts: list[int] = []

    @property
    def info(self) -> SetInfo:
        """What is known of the set."""
        return self._manifest.info

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """The entries whose path begins with the prefix, in the order in which they were added."""
        for located in self._located():
            if located.entry.path.startswith(prefix):
                yield located.entry

    def entry(self, path: str) -> Entry:
        """One entry."""
        return self._find(path).entry

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for piece in self._chunks.listing(self._manifest.entries):
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            yield from lines
        if rest:
            raise Damaged("The list of entries does not end where it should.")

    def _located(self) -> Iterator[_Located]:
        first = 0
        for line in self._lines():
            entry = Entry.decode(line)
            yield _Located(entry, first)
            first += entry.chunks

    def _scan(self, path: str) -> _Located | None:
        """One entry without decoding the others: of each line only how many chunks it stands for is needed."""
        begin, first, found = Entry.beginning(path), 0, None
        for line in self._lines():
            if line.startswith(begin):
                found = _Located(Entry.decode(line), first)
            first += Entry.decode(line).chunks if b'"n":' in line else 1
        return found

    def _find(self, path: str) -> _Located:
        self._lookups += 1
        if self._entries is None and self._lookups <= _SCANS:
            scanned = self._scan(path)
            if scanned is None:
                raise NoSuchEntry(f"The set {self.info.id} has no {path}.")
            return scanned
        if self._entries is None:
            self._entries = {located.entry.path: located for located in self._located()}
        found = self._entries.get(path)
        if found is None:
            raise NoSuchEntry(f"The set {self.info.id} has no {path}.")
        return found

    def chunk_ids(self) -> Iterator[bytes]:
        """The names of all chunks of all entries, in order. Needs no identity."""
        for _, ids in self.ref_pieces():
            yield from ids

    def ref_pieces(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """The chunks that hold the names of all chunks, each with what it holds. Needs no identity."""
        for chunk in self._chunks.listing_ids(self._manifest.refs):
            yield chunk, _split(self._chunks.chunk(chunk))

    def list_ids(self) -> Iterator[bytes]:
        """The names of the chunks that the set's own lists consist of. Needs no identity."""
        for listing in (self._manifest.entries, self._manifest.refs):
            ids, level = list(listing.ids), listing.level
            yield from ids
            while level:
                ids, level = [below for chunk in ids for below in _split(self._chunks.chunk(chunk))], level - 1
                yield from ids

    def _refs(self, first: int, count: int) -> Iterator[bytes]:
        """Names of chunks by their place in the set, without reading those before."""
        if self._ref_ids is None:
            self._ref_ids = self._chunks.listing_ids(self._manifest.refs)
            places = self._chunks.places(self._ref_ids)
            at, self._ref_starts = 0, [0]
            for chunk in self._ref_ids:
                at += places[chunk].raw if chunk in places else len(self._chunks.chunk(chunk))
                self._ref_starts.append(at)
        begin, end = first * 32, (first + count) * 32
        for number, (start, stop) in enumerate(pairwise(self._ref_starts)):
            if stop <= begin or start >= end:
                continue
            piece = self._chunks.chunk(self._ref_ids[number])
            yield from _split(piece[max(0, begin - start) : max(0, end - start)])

    def open(self, path: str) -> BinaryIO:
        """A stream of an entry. Its end checks size and digest: reading to the end without an error is proof."""
        located = self._find(path)
        pieces = _pieces(self._chunks, located.entry, self._refs(located.first, located.entry.chunks))
        return io.BufferedReader(_Pieces(pieces), 1024 * 1024)

    def extract(self, path: str, target: Path) -> None:
        """Write an entry to a file. A file that could not be written whole is removed."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with _whole(target), self.open(path) as source, target.open("wb") as file:
            while part := source.read(1024 * 1024):
                file.write(part)

    def each(self, paths: Collection[str]) -> Iterator[tuple[str, BinaryIO]]:
        """Streams of many entries, small ones in the order in which they lie in packs, some opened ahead by other threads.

        Packs in a bucket are fetched whole: one request brings hundreds of files. As with `open`, reading a stream to its
        end without an error is proof. A stream is good until the next one is asked for.
        """
        refs = self.chunk_ids()
        small: list[tuple[Entry, bytes]] = []
        large: list[str] = []
        for entry in self.entries():
            ids = [next(refs) for _ in range(entry.chunks)]
            if entry.path not in paths:
                continue
            if entry.chunks == 1:
                small.append((entry, ids[0]))
            else:
                large.append(entry.path)
        # A part of a file of this machine costs next to nothing, a request to a bucket as much as a whole pack.
        whole = len(small) >= _MANY and not isinstance(self._repository.store, FolderStore)
        chunks, threads = ChunkReader(self._repository, whole=whole), threads_for_sealing()
        waiting: deque[Future[list[tuple[str, bytes | memoryview]]]] = deque()
        with ThreadPoolExecutor(threads, "read") as pool:
            try:
                for batch in _batches(_by_place(chunks, small)):
                    waiting.append(pool.submit(_open_batch, chunks, batch))
                    while len(waiting) > threads * 2:
                        yield from ((path, io.BytesIO(data)) for path, data in waiting.popleft().result())
                while waiting:
                    yield from ((path, io.BytesIO(data)) for path, data in waiting.popleft().result())
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        for path in large:
            with self.open(path) as stream:
                yield path, stream

    def extract_all(self, folder: Path, *, prefix: str = "", control: Control = QUIET) -> int:
        """Write all entries below a prefix into a folder, packs whole and by several threads. Returns the bytes written."""
        return _Extraction(self._repository, self, folder, control).run(prefix)


_Lying = tuple[Entry, bytes, Place | None]


def _by_place(chunks: ChunkReader, found: Sequence[tuple[Entry, bytes]]) -> list[_Lying]:
    """Small contents in the order in which they lie in packs: later sets have theirs here and there."""
    places = chunks.places([chunk for _, chunk in found])
    lying = [(entry, chunk, places.get(chunk)) for entry, chunk in found]
    return sorted(lying, key=lambda each: (each[2].name, each[2].start) if each[2] else ("", 0))


def _batches(lying: Iterable[_Lying]) -> Iterator[list[_Lying]]:
    """As much as one thread takes at a time."""
    batch: list[_Lying] = []
    size = 0
    for each in lying:
        batch.append(each)
        size += each[0].size
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_CHUNKS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _open_batch(chunks: ChunkReader, batch: Sequence[_Lying]) -> list[tuple[str, bytes | memoryview]]:
    opened = []
    for entry, chunk, place in batch:
        data = chunks.data(chunk, place)
        _check(entry, len(data), 1, "")
        opened.append((entry.path, data))
    return opened


def _split(ids: bytes) -> list[bytes]:
    if len(ids) % 32:
        raise Damaged("A list of chunks is cut short.")
    return [ids[at : at + 32] for at in range(0, len(ids), 32)]


def _pieces(reader: ChunkReader, entry: Entry, ids: Iterator[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256() if entry.sha256 else None
    size = count = 0
    for chunk in ids:
        data = reader.chunk(chunk)
        size, count = size + len(data), count + 1
        if digest is not None:
            digest.update(data)
        yield data
    _check(entry, size, count, digest.hexdigest() if digest else "")


@contextlib.contextmanager
def _whole(target: Path) -> Iterator[None]:
    """A file that could not be written whole is removed."""
    try:
        yield
    except OSError as error:
        target.unlink(missing_ok=True)
        raise storage_error(str(target), error) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _check(entry: Entry, size: int, count: int, sha256: str) -> None:
    if size != entry.size or count != entry.chunks or sha256 != entry.sha256:
        raise Damaged(f"{entry.path} was put together and is not what was stored.")


class _Pieces(io.RawIOBase):
    """Makes a file of an iterator of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._iterator = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as one piece goes."""
        while not self._rest:
            piece = next(self._iterator, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Extraction:
    """All entries into a folder: small files are written by the threads that decrypt them, large ones in order."""

    def __init__(self, repository: Repository, reader: SetReader, folder: Path, control: Control) -> None:
        self._reader = reader
        self._chunks = ChunkReader(repository, whole=True)
        self._folder = folder
        self._control = control
        self._aside = control.elsewhere()
        self._threads = threads_for_sealing()
        self._root = str(folder)
        self._made: set[str] = set()
        self._written = 0

    def run(self, prefix: str) -> int:
        refs = self._reader.chunk_ids()
        self._folder.mkdir(parents=True, exist_ok=True)
        group: list[tuple[Entry, bytes]] = []
        waiting: deque[Future[int]] = deque()
        with ThreadPoolExecutor(self._threads, "restore") as pool:
            try:
                for entry in self._reader.entries():
                    self._control.check()
                    ids = [next(refs) for _ in range(entry.chunks)]
                    if not entry.path.startswith(prefix):
                        continue
                    if entry.chunks != 1:
                        self._large(pool, entry, ids)
                        continue
                    group.append((entry, ids[0]))
                    if len(group) >= _GROUP:
                        self._spread(pool, group, waiting)
                        group = []
                self._spread(pool, group, waiting)
                while waiting:
                    self._done(waiting)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return self._written

    def _spread(
        self, pool: ThreadPoolExecutor, group: Sequence[tuple[Entry, bytes]], waiting: deque[Future[int]]
    ) -> None:
        for batch in _batches(_by_place(self._chunks, group)):
            self._control.check()
            waiting.append(pool.submit(self._small, batch))
            while len(waiting) > self._threads * 2:
                self._done(waiting)

    def _done(self, waiting: deque[Future[int]]) -> None:
        self._written += waiting.popleft().result()
        self._control.progress("restore", self._written, self._reader.info.bytes_source)

    def _target(self, path: str) -> str:
        if not valid_path(path):
            raise Damaged(f"{path!r} would lie outside the folder.")
        target = f"{self._root}/{path}"
        parent = target.rpartition("/")[0]
        if parent not in self._made:
            Path(parent).mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        return target

    def _small(self, batch: Sequence[_Lying]) -> int:
        written = 0
        for entry, chunk, place in batch:
            data = self._chunks.lend(chunk, place)
            _check(entry, len(data), 1, "")
            self._write(entry, data)
            self._aside.throttle(len(data))
            written += len(data)
        return written

    def _write(self, entry: Entry, data: bytes | memoryview) -> None:
        # Plain descriptors: of 20,000 small files, objects for paths and files cost as much as decrypting them.
        target = self._target(entry.path)
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                written = os.write(descriptor, data)
                while written < len(data):
                    written += os.write(descriptor, memoryview(data)[written:])
            finally:
                os.close(descriptor)
        except OSError as error:
            Path(target).unlink(missing_ok=True)
            raise storage_error(target, error) from error

    def _large(self, pool: ThreadPoolExecutor, entry: Entry, ids: Sequence[bytes]) -> None:
        digest = hashlib.sha256()
        size = 0
        target = Path(self._target(entry.path))
        waiting: deque[Future[list[bytes | memoryview]]] = deque()
        groups = (ids[at : at + _BATCH_CHUNKS] for at in range(0, len(ids), _BATCH_CHUNKS))
        with _whole(target):
            with target.open("wb", buffering=0) as file:
                while True:
                    while len(waiting) < self._threads * 2 and (group := next(groups, None)):
                        waiting.append(pool.submit(self._many, group))
                    if not waiting:
                        break
                    self._control.check()
                    for data in waiting.popleft().result():
                        file.write(data)
                        digest.update(data)
                        size += len(data)
                    self._control.progress("restore", self._written + size, self._reader.info.bytes_source)
            _check(entry, size, len(ids), digest.hexdigest() if entry.sha256 else "")
        self._written += size

    def _many(self, ids: Sequence[bytes]) -> list[bytes | memoryview]:
        places: dict[bytes, Place] = self._chunks.places(ids)
        return [self._chunks.data(chunk, places.get(chunk)) for chunk in ids]
