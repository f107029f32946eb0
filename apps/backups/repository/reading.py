"""Getting chunks back: from the best pack that has them, and from another one when that is damaged."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from apps.backups.repository.chunks import WHOLE
from apps.backups.repository.errors import Damaged, KeyNeeded, ObjectMissing, WrongKey
from apps.backups.repository.index import Place
from apps.backups.repository.keys import open_with
from apps.backups.repository.packs import Wrap, read_head
from apps.backups.repository.records import TWIN
from apps.backups.repository.sealing import NONCE, TAG, Cipher, Room, open_in, open_up, unpack
from apps.backups.repository.sets import Listing
from apps.backups.repository.store import FolderStore

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository

_WINDOW = 3
_ROOM = WHOLE


class ChunkReader:
    """Reads chunks of a repository. Safe for several threads.

    Args:
        whole: fetch packs whole and keep the last few, for reading much in the order in which it was written.
    """

    def __init__(self, repository: Repository, *, whole: bool = False) -> None:
        self._repository = repository
        self._whole = whole
        self._lock = threading.Lock()
        self._heads: dict[str, list[Wrap]] = {}
        self._window: OrderedDict[str, bytes] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._refreshed = False
        self._rooms = threading.local()

    def places(self, chunks: Sequence[bytes]) -> dict[bytes, Place]:
        """Where chunks lie."""
        return self._repository.index.places_many(chunks)

    def data(self, chunk: bytes, place: Place | None) -> bytes | memoryview:
        """As `chunk`, but what was stored as it was is not copied once more: for writing it to a file."""
        if place is not None:
            try:
                found = open_up(self._cipher(place), self._bytes(place), chunk, place.stored, place.raw)
            except (Damaged, ObjectMissing):
                return self.chunk(chunk, place)
            if self._repository.keys.chunk_id(found) == chunk:
                return found
        return self.chunk(chunk, place)

    def lend(self, chunk: bytes, place: Place | None) -> bytes | memoryview:
        """As `data`, in memory that the same thread's next call uses again: for writing it to a file at once."""
        store = self._repository.store
        if place is None or not isinstance(store, FolderStore) or not 0 < place.raw <= _ROOM:
            return self.data(chunk, place)
        room: Room | None = getattr(self._rooms, "room", None)
        if room is None:
            room = self._rooms.room = Room(_ROOM)
        try:
            if not NONCE + TAG < place.stored <= place.raw + NONCE + TAG + 1:
                raise Damaged("the index names a size that cannot be")
            sealed = room.sealed(place.stored)
            if store.get_into(place.name, place.start, sealed) == place.stored:
                found = open_in(room, self._cipher(place), sealed, chunk, place.raw)
                if self._repository.keys.chunk_id(found) == chunk:
                    return found
        except (Damaged, ObjectMissing):
            pass
        return self.chunk(chunk, place)

    def chunk(self, chunk: bytes, place: Place | None = None) -> bytes:
        """The data of a chunk, checked against its name. Raises `Damaged` when no pack has it whole."""
        tried: set[str] = set()
        reason = "it is in no pack"
        for attempt in range(2):
            for found in self._candidates(chunk, place if attempt == 0 else None):
                if found.name in tried:
                    continue
                tried.add(found.name)
                try:
                    return self._open(chunk, found)
                except (Damaged, ObjectMissing) as error:
                    reason = f"{found.name}: {error.message}"
            # The pack may have been written anew and deleted since the index was made.
            with self._lock:
                refresh, self._refreshed = not self._refreshed, True
            if refresh:
                self._repository.sync()
        raise Damaged(f"Chunk {chunk.hex()[:16]} cannot be read: {reason}.")

    def _candidates(self, chunk: bytes, first: Place | None) -> Iterator[Place]:
        if first is not None:
            yield first
        yield from self._repository.index.places(chunk)

    def _open(self, chunk: bytes, place: Place) -> bytes:
        try:
            return self._open_at(chunk, place)
        except (Damaged, ObjectMissing):
            if not place.lists:
                raise
        return self._open_at(chunk, replace(place, name=TWIN + place.name))

    def _open_at(self, chunk: bytes, place: Place) -> bytes:
        sealed = self._bytes(place)
        if len(sealed) != place.stored:
            raise Damaged("the pack is cut short")
        data = unpack(self._cipher(place).open(sealed, chunk), place.raw)
        if self._repository.keys.chunk_id(data) != chunk:
            raise Damaged("a chunk does not have its name")
        return data

    def _bytes(self, place: Place) -> bytes | memoryview:
        if not self._whole:
            return self._repository.store.get(place.name, place.start, place.stored)
        # A look without the lock: a pack that is in the window is the rule, and one that just left it is read again.
        data = self._window.get(place.name)
        if data is not None:
            return memoryview(data)[place.start : place.start + place.stored]
        with self._lock:
            data = self._window.get(place.name)
            loading = self._loading.setdefault(place.name, threading.Lock())
        if data is None:
            with loading:
                data = self._window.get(place.name)
                if data is None:
                    data = self._repository.store.get(place.name)
                    with self._lock:
                        self._window[place.name] = data
                        while len(self._window) > _WINDOW:
                            self._loading.pop(self._window.popitem(last=False)[0], None)
        return memoryview(data)[place.start : place.start + place.stored]

    def _cipher(self, place: Place) -> Cipher:
        if place.key == 0:
            return self._repository.index_cipher
        wraps = self._heads.get(place.name)
        if wraps is None:
            wraps = self._heads[place.name] = read_head(self._repository.store, place.name)
        if place.key > len(wraps):
            raise Damaged("the head of the pack lacks a key")
        return self._repository.data_cipher(wraps[place.key - 1])

    def listing(self, listing: Listing) -> Iterator[bytes]:
        """The pieces of a list, in order."""
        for chunk in self.listing_ids(listing):
            yield self.chunk(chunk)

    def listing_ids(self, listing: Listing) -> list[bytes]:
        """The ids of the chunks that hold the list itself."""
        ids, level = list(listing.ids), listing.level
        while level:
            joined = b"".join(self.chunk(chunk) for chunk in ids)
            ids, level = [joined[at : at + 32] for at in range(0, len(joined), 32)], level - 1
        return ids


class DataCiphers:
    """Opens wrapped data keys, each once."""

    def __init__(self, masters: dict[int, str]) -> None:
        self._masters = masters
        self._opened: dict[bytes, Cipher] = {}

    def cipher(self, wrap: Wrap) -> Cipher:
        """The cipher of a data key."""
        found = self._opened.get(wrap.sealed)
        if found is None:
            identity = self._masters.get(wrap.master)
            if identity is None:
                if not self._masters:
                    raise KeyNeeded("Reading contents needs an identity.")
                raise Damaged(f"The pack is sealed for master key {wrap.master}, which the repository no longer has")
            try:
                found = Cipher(open_with(wrap.sealed, identity))
            except WrongKey as error:
                raise Damaged("the wrapped key in the head of the pack is damaged") from error
            self._opened[wrap.sealed] = found
        return found
