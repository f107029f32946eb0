"""Packs: files of about 16 MiB that hold many chunks, describe themselves, and are named by the SHA-256 of their bytes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from apps.backups.repository.errors import Damaged
from apps.backups.repository.sealing import Cipher, pack_up, unpack
from apps.backups.repository.store import ObjectStore

PACK_SIZE = 16 * 1024 * 1024
PLACE = "packs/"
_HEAD = struct.Struct(">4sBB")
_WRAP = struct.Struct(">IH")
_ITEM = struct.Struct(">32sIIB")
_FOOT = struct.Struct(">II4s")
_MAGIC, _END, _END_LISTS = b"AWPK", b"AWPE", b"AWPL"
VERSION = 1
_TAIL = 96 * 1024
HEAD_BYTES = 2048
BOUND = b"aiwriter-backup/1 trailer "


@dataclass(frozen=True, slots=True)
class Wrap:
    """A data key, wrapped for a master."""

    master: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """A chunk in a pack. Key 0 is the index key, key n the n-th wrap of the pack."""

    id: bytes
    start: int
    stored: int
    raw: int
    key: int


def pack_name(digest: str) -> str:
    """Where a pack lies."""
    return f"{PLACE}{digest[:2]}/{digest}"


class PackBuilder:
    """Collects sealed chunks and makes a pack of them.

    Args:
        lists: the pack holds lists of sets. Sources cannot give those back, so such packs are stored twice.
    """

    def __init__(self, wraps: Sequence[Wrap], *, lists: bool = False) -> None:
        self.lists = lists
        self._parts = [encode_head(wraps)]
        self.size = len(self._parts[0])
        self.items: list[Item] = []

    def add(self, chunk: bytes, sealed: bytes, raw: int, key: int) -> None:
        """Take a sealed chunk."""
        self.items.append(Item(chunk, self.size, len(sealed), raw, key))
        self._parts.append(sealed)
        self.size += len(sealed)

    def finish(self, index: Cipher, repository: str) -> tuple[str, bytes]:
        """Its name and its bytes."""
        listed = b"".join(_ITEM.pack(item.id, item.stored, item.raw, item.key) for item in self.items)
        trailer = index.seal(pack_up(listed), BOUND + repository.encode())
        self._parts += [trailer, _FOOT.pack(len(trailer), len(listed), _END_LISTS if self.lists else _END)]
        data = b"".join(self._parts)
        return pack_name(hashlib.sha256(data).hexdigest()), data


def encode_head(wraps: Sequence[Wrap]) -> bytes:
    """Magic, version, wrapped keys."""
    parts = [_HEAD.pack(_MAGIC, VERSION, len(wraps))]
    for wrap in wraps:
        parts += [_WRAP.pack(wrap.master, len(wrap.sealed)), wrap.sealed]
    return b"".join(parts)


def decode_head(data: bytes) -> tuple[list[Wrap], int]:
    """The wrapped keys, and where the chunks begin."""
    try:
        magic, version, count = _HEAD.unpack_from(data)
        if magic != _MAGIC or version != VERSION:
            raise Damaged("A pack does not begin as packs of this version do.")
        at, wraps = _HEAD.size, []
        for _ in range(count):
            master, length = _WRAP.unpack_from(data, at)
            at += _WRAP.size
            if at + length > len(data):
                raise Damaged("The head of a pack is cut short.")
            wraps.append(Wrap(master, data[at : at + length]))
            at += length
    except struct.error as error:
        raise Damaged("The head of a pack is cut short.") from error
    return wraps, at


def read_head(store: ObjectStore, name: str) -> list[Wrap]:
    """The wrapped keys of a stored pack."""
    data = store.get(name, 0, HEAD_BYTES)
    try:
        return decode_head(data)[0]
    except Damaged:
        if len(data) < HEAD_BYTES:
            raise
        # A pack that was made of many runs has a longer head: at most 255 wraps.
        return decode_head(store.get(name, 0, 256 * 1024))[0]


def decode_trailer(tail: bytes, size: int, head: int, index: Cipher, repository: str) -> tuple[list[Item], bool] | int:
    """The items of a pack from its last bytes, and whether it holds lists; when those are too few, how many are needed."""
    if len(tail) < _FOOT.size:
        raise Damaged("A pack is cut short.")
    length, listed, end = _FOOT.unpack_from(tail, len(tail) - _FOOT.size)
    if end not in (_END, _END_LISTS) or length + _FOOT.size + head > size:
        raise Damaged("A pack does not end as packs do.")
    if length + _FOOT.size > len(tail):
        return length + _FOOT.size
    sealed = tail[len(tail) - _FOOT.size - length : len(tail) - _FOOT.size]
    plain = unpack(index.open(sealed, BOUND + repository.encode()), listed)
    sizes = list(_ITEM.iter_unpack(plain))
    # Chunks lie without gaps up to the trailer, so their places follow from their sizes.
    at = size - _FOOT.size - length - sum(stored for _, stored, _, _ in sizes)
    if at < head:
        raise Damaged("A pack's trailer does not fit its size.")
    items = []
    for chunk, stored, raw, key in sizes:
        items.append(Item(chunk, at, stored, raw, key))
        at += stored
    return items, end == _END_LISTS


def read_trailer(store: ObjectStore, name: str, size: int, index: Cipher, repository: str) -> tuple[list[Item], bool]:
    """The items of a stored pack, and whether it holds lists."""
    want = min(size, _TAIL)
    tail = store.get(name, size - want, want)
    found = decode_trailer(tail, size, _HEAD.size, index, repository)
    if isinstance(found, int):
        tail = store.get(name, size - found, found)
        found = decode_trailer(tail, size, _HEAD.size, index, repository)
    if isinstance(found, int):
        raise Damaged(f"{name} is cut short.")
    return found
