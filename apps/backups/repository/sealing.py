"""Compression and encryption of chunks and records. Primitives come from maintained libraries; none is our own."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apps.backups.repository.errors import Damaged

NONCE, TAG = 12, 16
LEVEL = 3
# Chunks of dumps and small texts: of their few KiB level 1 makes 2 to 4 % more than level 3 does, in two thirds of its time.
SMALL_LEVEL = 1
_RAW, _ZSTD = b"\0", b"\1"
_SAMPLE = 8 * 1024
_LARGE = 64 * 1024
# Of the builds of the library, the one that is made with cffi lacks the call.
_AT_ONCE = hasattr(zstandard.ZstdCompressor, "multi_compress_to_buffer")
_tools = threading.local()


def _compressor(level: int = LEVEL) -> zstandard.ZstdCompressor:
    """A compressor for this thread: they may not be shared, and making one for each chunk costs more than the chunk."""
    found: dict[int, zstandard.ZstdCompressor] | None = getattr(_tools, "compressors", None)
    if found is None:
        found = _tools.compressors = {}
    if level not in found:
        found[level] = zstandard.ZstdCompressor(level=level)
    return found[level]


def _decompressor() -> zstandard.ZstdDecompressor:
    found: zstandard.ZstdDecompressor | None = getattr(_tools, "decompressor", None)
    if found is None:
        found = _tools.decompressor = zstandard.ZstdDecompressor()
    return found


def _hopeless(data: bytes | memoryview) -> bool:
    """Whether three samples of a large chunk do not get smaller: a picture or an archive."""
    size = len(data)
    sample = b"".join(bytes(data[at : at + _SAMPLE]) for at in (0, size // 2, size - _SAMPLE))
    return len(_compressor().compress(sample)) > len(sample) * 0.97


def pack_up(data: bytes | memoryview) -> bytes:
    """A flag and the data, compressed where that helps."""
    if len(data) >= _LARGE and _hopeless(data):
        return _RAW + bytes(data)
    level = SMALL_LEVEL if len(data) < _LARGE else LEVEL
    small = _compressor(level).compress(data) if len(data) > 32 else b""
    return _ZSTD + small if small and len(small) < len(data) else _RAW + bytes(data)


def pack_up_many(parts: Sequence[bytes | memoryview]) -> list[bytes]:
    """As `pack_up` of each, the small ones compressed in one call.

    Each call lets go of the interpreter and waits to get it back, which takes as long as to compress a chunk of a dump:
    with a call for each, the threads that seal wait for one another.
    """
    if not _AT_ONCE:
        return [pack_up(part) for part in parts]
    small: list[bytes | bytearray | memoryview] = [part for part in parts if 32 < len(part) < _LARGE]
    compressed = iter(_compressor(SMALL_LEVEL).multi_compress_to_buffer(small) if small else ())
    packed = []
    for part in parts:
        if not 32 < len(part) < _LARGE:
            packed.append(pack_up(part))
            continue
        found = next(compressed)
        packed.append(_ZSTD + found.tobytes() if len(found) < len(part) else _RAW + bytes(part))
    return packed


def unpack(data: bytes | memoryview, size: int) -> bytes:
    """The data of `pack_up`. The size is known from the index, so that no small bytes can become a flood."""
    if data[:1] == _RAW:
        plain = bytes(data[1:])
    elif data[:1] == _ZSTD:
        try:
            plain = _decompressor().decompress(memoryview(data)[1:], max_output_size=size or 1)
        except zstandard.ZstdError as error:
            raise Damaged("A chunk cannot be decompressed.") from error
    else:
        raise Damaged("A chunk has an unknown flag.")
    if len(plain) != size:
        raise Damaged(f"A chunk has {len(plain)} bytes and should have {size}.")
    return plain


def open_up(cipher: Cipher, sealed: bytes | memoryview, bound: bytes, stored: int, size: int) -> bytes | memoryview:
    """Decrypted and unpacked; what does not compress is given as a view of what was decrypted."""
    if len(sealed) != stored:
        raise Damaged("The pack is cut short.")
    plain = cipher.open(sealed, bound)
    if size and len(plain) == size + 1 and plain[0] == 0:
        return memoryview(plain)[1:]
    return unpack(plain, size)


class Cipher:
    """AES-256-GCM under one key. A nonce is random: below 2^32 chunks a key, and each run has its own."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """Nonce, ciphertext, tag. `bound` is authenticated and not stored."""
        nonce = os.urandom(NONCE)
        return nonce + self._aead.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes | memoryview, bound: bytes) -> bytes:
        """The plain bytes, or `Damaged`."""
        if len(sealed) < NONCE + TAG:
            raise Damaged("Sealed bytes are cut short.")
        try:
            return self._aead.decrypt(bytes(sealed[:NONCE]), sealed[NONCE:], bound)
        except InvalidTag as error:
            raise Damaged("Sealed bytes are not what was written.") from error

    def open_into(self, sealed: memoryview, bound: bytes, target: memoryview) -> memoryview:
        """The same into memory that is there, of just the size."""
        try:
            self._aead.decrypt_into(bytes(sealed[:NONCE]), sealed[NONCE:], bound, target)
        except InvalidTag as error:
            raise Damaged("Sealed bytes are not what was written.") from error
        return target


class Room:
    """Memory that a thread uses for one chunk after the other: the system would have to clear it anew for each."""

    def __init__(self, size: int) -> None:
        self._sealed = memoryview(bytearray(size + NONCE + TAG + 1))
        self._plain = memoryview(bytearray(size + 1))
        self.size = size

    def sealed(self, size: int) -> memoryview:
        """For so many sealed bytes."""
        return self._sealed[:size]

    def plain(self, size: int) -> memoryview:
        """For what they become."""
        return self._plain[:size]


def open_in(room: Room, cipher: Cipher, sealed: memoryview, bound: bytes, size: int) -> bytes | memoryview:
    """As `open_up`, in the room: what does not compress is a view of it, good until the room's next use."""
    plain = cipher.open_into(sealed, bound, room.plain(len(sealed) - NONCE - TAG))
    if size and len(plain) == size + 1 and plain[0] == 0:
        return plain[1:]
    return unpack(plain, size)


def new_data_key() -> bytes:
    """A key for one run."""
    return os.urandom(32)


def with_checksum(body: bytes) -> bytes:
    """The bytes and their SHA-256, so that anybody can check them without a key."""
    return body + hashlib.sha256(body).digest()


def without_checksum(data: bytes) -> bytes:
    """The bytes of `with_checksum`, or `Damaged`."""
    body, digest = data[:-32], data[-32:]
    if len(digest) != 32 or hashlib.sha256(body).digest() != digest:
        raise Damaged("A record is not what was written.")
    return body


def seal_record(cipher: Cipher, name: str, body: bytes) -> bytes:
    """A record: compressed, sealed and bound to its name, with a checksum that needs no key."""
    return with_checksum(cipher.seal(len(body).to_bytes(4, "big") + pack_up(body), name.encode()))


def open_record(cipher: Cipher, name: str, data: bytes) -> bytes:
    """The content of a record."""
    plain = cipher.open(without_checksum(data), name.encode())
    return unpack(plain[4:], int.from_bytes(plain[:4], "big"))
