"""The way of chunks into packs: sealed by several threads, packed in order, shipped by one thread, known when durable."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from apps.backups.repository.control import Control
from apps.backups.repository.errors import ObjectMissing, Stopped, StorageFailed
from apps.backups.repository.index import Index
from apps.backups.repository.packs import PACK_SIZE, PackBuilder, Wrap
from apps.backups.repository.records import TWIN
from apps.backups.repository.sealing import Cipher, pack_up_many
from apps.backups.repository.store import ObjectStore

_BATCH_BYTES = 1024 * 1024
_BATCH_CHUNKS = 64
_TRIES = 3
_TAIL = 64
Sealed = list[tuple[bytes, bytes, int]]


def threads_for_sealing() -> int:
    """Compression is the wall, and it lets go of the interpreter: one thread for each core, four at most."""
    return max(1, min(4, os.cpu_count() or 1))


def put_checked(store: ObjectStore, name: str, data: bytes, control: Control) -> None:
    """Store an object and look at its end. A place that lost or cut it is given three chances, then an error."""
    start = max(0, len(data) - _TAIL)
    seen = "nothing"
    for attempt in range(_TRIES):
        control.check()
        control.throttle(len(data))
        store.put(name, data)
        for wait in (0.0, 0.05, 0.5):
            time.sleep(wait)
            try:
                tail = store.get(name, start, _TAIL + 1)
            except ObjectMissing:
                seen = "nothing"
                continue
            if tail == data[start:]:
                return
            seen = "other bytes"
            break
        time.sleep(0.1 * attempt)
    raise StorageFailed(f"The storage took {name} {_TRIES} times without an error and then had {seen} there.")


class Line:
    """One line of packs: contents in one, lists in another, so that lists are read without the contents."""

    def __init__(self, wraps: Sequence[Wrap], *, lists: bool = False) -> None:
        self.wraps = wraps
        self.lists = lists
        self.builder = self.empty()
        self.batch: list[tuple[bytes, bytes | memoryview]] = []
        self.batch_bytes = 0
        self.batch_key = 0
        self.batch_cipher: Cipher | None = None

    def empty(self) -> PackBuilder:
        """The next pack."""
        return PackBuilder(self.wraps, lists=self.lists)


class Shipper:
    """Takes chunks that are new, and sees to it that they end up in durable packs.

    Only one thread may call it. What it was given is durable, and known to the index, after `flush`.
    """

    def __init__(
        self, store: ObjectStore, index: Index, index_cipher: Cipher, repository: str, *, control: Control
    ) -> None:
        self._store = store
        self._index = index
        self._index_cipher = index_cipher
        self._repository = repository
        self._control = control
        self._over = Event()
        self._carrier_control = control.elsewhere(self._still_wanted)
        threads = threads_for_sealing()
        self._ahead = threads * 3
        self._sealers = ThreadPoolExecutor(threads, "seal")
        self._carrier = ThreadPoolExecutor(1, "carry")
        self._sealing: deque[tuple[Line, int, Future[Sealed]]] = deque()
        self._carrying: deque[Future[tuple[str, int, PackBuilder]]] = deque()
        self._pending: set[bytes] = set()
        self.bytes_added = 0
        self.packs_added: list[str] = []

    def _still_wanted(self) -> None:
        if self._over.is_set():
            raise Stopped("The run has ended.")

    def pace(self) -> None:
        """For other threads of the run: rest as the sealing ones do."""
        self._carrier_control.pace()

    def holds(self, chunk: bytes) -> bool:
        """Whether the chunk is on its way."""
        return chunk in self._pending

    @property
    def pending(self) -> set[bytes]:
        """Chunks that are on their way."""
        return self._pending

    def add(self, line: Line, chunk: bytes, data: bytes | memoryview, cipher: Cipher, key: int) -> None:
        """Take a new chunk."""
        self._pending.add(chunk)
        if line.batch and line.batch_key != key:
            self._seal(line)
        line.batch_key, line.batch_cipher = key, cipher
        line.batch.append((chunk, data))
        line.batch_bytes += len(data)
        if line.batch_bytes >= _BATCH_BYTES or len(line.batch) >= _BATCH_CHUNKS:
            self._seal(line)

    def add_sealed(self, line: Line, chunk: bytes, sealed: bytes, raw: int, key: int) -> None:
        """Take a chunk that is sealed already."""
        self._pending.add(chunk)
        line.builder.add(chunk, sealed, raw, key)
        if line.builder.size >= PACK_SIZE:
            self.ship(line)

    def _seal(self, line: Line) -> None:
        self._control.check()
        batch, key, cipher = line.batch, line.batch_key, line.batch_cipher
        if not batch or cipher is None:
            return
        line.batch, line.batch_bytes = [], 0
        self._sealing.append((line, key, self._sealers.submit(self._seal_batch, batch, cipher)))
        while len(self._sealing) > self._ahead or (self._sealing and self._sealing[0][2].done()):
            self._collect()

    def _seal_batch(self, batch: Sequence[tuple[bytes, bytes | memoryview]], cipher: Cipher) -> Sealed:
        self._carrier_control.pace()
        packed = pack_up_many([data for _, data in batch])
        sealed = [
            (chunk, cipher.seal(plain, chunk), len(data)) for (chunk, data), plain in zip(batch, packed, strict=True)
        ]
        self._carrier_control.pace()
        return sealed

    def _collect(self) -> None:
        line, key, future = self._sealing.popleft()
        for chunk, sealed, raw in future.result():
            line.builder.add(chunk, sealed, raw, key)
            if line.builder.size >= PACK_SIZE:
                self.ship(line)

    def ship(self, line: Line) -> None:
        """Close the open pack of a line and give it to the carrier."""
        if not line.builder.items:
            return
        builder, line.builder = line.builder, line.empty()
        self._carrying.append(self._carrier.submit(self._carry, builder))
        while len(self._carrying) > 2 or (self._carrying and self._carrying[0].done()):
            self._arrived()

    def _carry(self, builder: PackBuilder) -> tuple[str, int, PackBuilder]:
        name, data = builder.finish(self._index_cipher, self._repository)
        if builder.lists:
            put_checked(self._store, TWIN + name, data, self._carrier_control)
        put_checked(self._store, name, data, self._carrier_control)
        return name, len(data), builder

    def _arrived(self) -> None:
        name, size, builder = self._carrying.popleft().result()
        self._index.add_pack(name, size, builder.items, builder.lists)
        self._pending.difference_update(item.id for item in builder.items)
        self.bytes_added += size * (2 if builder.lists else 1)
        self.packs_added.append(name)

    def flush(self, *lines: Line) -> None:
        """Wait until everything is durable."""
        for line in lines:
            self._seal(line)
        while self._sealing:
            self._collect()
        for line in lines:
            self.ship(line)
        while self._carrying:
            self._arrived()

    def close(self) -> None:
        """Stop the threads; what was not flushed is lost, as after a kill."""
        self._over.set()
        self._sealers.shutdown(wait=True, cancel_futures=True)
        self._carrier.shutdown(wait=True, cancel_futures=True)
