"""Encrypts blobs before they reach a storage, in pieces, so that neither size nor memory sets a limit.

AES-256-GCM as in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): each file has a key of its own,
derived from the installation's key and a random salt; each piece has its number in its nonce and the last one a mark, so
that pieces cannot be exchanged, left out, or cut off at the end without being noticed.

    file  = MAGIC (4) | key id (8) | salt (16) | piece …
    piece = ciphertext of 64 KiB, or less for the last | tag (16)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import Count

from aiwriter.core import keyring
from aiwriter.core.errors import AppError, StorageFull, Unavailable
from aiwriter.core.keyring import document, store
from apps.backends.models import StoredBlob

MAGIC = b"AWF1"
PIECE = 64 * 1024
_KEY_BYTES, _ID_BYTES, _SALT_BYTES, _TAG_BYTES = 32, 8, 16, 16
_HEADER_BYTES = len(MAGIC) + _ID_BYTES + _SALT_BYTES


class Damaged(Exception):
    """The bytes are not those that were stored."""


def key_path() -> Path:
    """Where the key for files lay before there was a keyring. It stays there while the version before may still serve."""
    return Path(settings.DATA_DIR) / store.OLDER_FILE_KEY


def current_key() -> tuple[str, bytes]:
    """The key that encrypts now, with its id.

    Raises:
        StorageFull: it could not be written.
        Unavailable: the keyring or the older key's file cannot be used.
    """
    if keyring.exists() and keyring.load().stage != "expand":
        key = keyring.active("file")
        return key.id, key.material
    return _older_key()


def key_of(named: str) -> bytes:
    """The key of a file.

    Args:
        named: its id, as it stands in the row and in the file's head; "" for rows of before ids were kept.

    Raises:
        KeyMissing: it is neither in the keyring nor in the older key's file.
    """
    if keyring.exists() and (key := keyring.load().keys.get(named)) is not None and key.usable:
        return key.material
    if key_path().exists():
        older_id, older = _older_key()
        if named in ("", older_id):
            return older
    return keyring.find(named).material


def key_of_folder(data_dir: Path, named: str) -> bytes:
    """The key for files of another data folder, such as one that a restore has just written.

    Args:
        data_dir: the folder.
        named: the id; "" for rows of before ids were kept.

    Raises:
        Unavailable: there is none.
    """
    try:
        if (key := keyring.of_folder(data_dir).get(named)) is not None and key.usable:
            return key.material
    except AppError:
        pass
    older = store.older_file_key(data_dir)
    if older is not None and named in ("", key_id(older)):
        return older
    raise Unavailable("The set has no usable key of its encrypted files.", remedy="Use another set.")


def uses() -> dict[str, int]:
    """How many blobs each key encrypts."""
    rows = StoredBlob.objects.filter(encrypted=True).order_by().values_list("key_id").annotate(n=Count("id"))
    return dict(rows)


def _older_key() -> tuple[str, bytes]:
    path = key_path()
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path, os.urandom(_KEY_BYTES).hex())
        return _read(str(path), path.stat().st_mtime_ns)
    except OSError as error:
        raise StorageFull(
            f"The key for files cannot be kept: {error.strerror}.", remedy=f"Make {path.parent} writable."
        ) from error


def _create(path: Path, text: str) -> None:
    # Written whole under another name and then linked: of two processes that start at once, both read the same key, and
    # neither reads half of one.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


@lru_cache(maxsize=4)
def _read(path: str, _changed: int) -> tuple[str, bytes]:
    try:
        key = bytes.fromhex(Path(path).read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise Unavailable(
            f"{path} does not hold a key.", remedy="Put the key of this installation back from the backup."
        )
    return key_id(key), key


def key_id(key: bytes) -> str:
    """Names a key without telling it."""
    return document.id_of("file", key)


def encrypted_size(size: int) -> int:
    """Bytes of a file after encryption."""
    pieces = max(1, -(-size // PIECE))
    return _HEADER_BYTES + size + pieces * _TAG_BYTES


def encrypt(source: BinaryIO, key: bytes) -> Iterator[bytes]:
    """The encrypted form of a file, piece by piece."""
    salt = os.urandom(_SALT_BYTES)
    header = MAGIC + bytes.fromhex(key_id(key)) + salt
    cipher = _cipher(key, salt)
    yield header
    piece, number = source.read(PIECE), 0
    while True:
        following = source.read(PIECE)
        yield cipher.encrypt(_nonce(number, last=not following), piece, header)
        if not following:
            return
        piece, number = following, number + 1


def decrypt(pieces: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """The opposite of `encrypt`. Nothing is given out before its piece has been verified.

    Raises:
        Damaged: changed, cut off, or encrypted with another key.
    """
    chunks = _regular(pieces)
    header = next(chunks)
    if len(header) != _HEADER_BYTES or header[: len(MAGIC)] != MAGIC:
        raise Damaged("it is not an encrypted file")
    if header[len(MAGIC) : len(MAGIC) + _ID_BYTES] != bytes.fromhex(key_id(key)):
        raise Damaged("it was encrypted with another key")
    cipher = _cipher(key, header[-_SALT_BYTES:])
    number, piece = 0, next(chunks)
    while True:
        following = next(chunks, b"")
        try:
            yield cipher.decrypt(_nonce(number, last=not following), piece, header)
        except InvalidTag:
            raise Damaged(f"piece {number} was changed") from None
        if not following:
            return
        piece, number = following, number + 1


def _regular(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Header, then pieces of the size in which they were encrypted, however the storage cuts them."""
    buffer = bytearray()
    wanted = _HEADER_BYTES
    given = 0
    for part in pieces:
        buffer += part
        while len(buffer) >= wanted:
            yield bytes(buffer[:wanted])
            del buffer[:wanted]
            given += 1
            wanted = PIECE + _TAG_BYTES
    if buffer or given < 2:
        yield bytes(buffer)
    if given == 0:
        yield b""


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=b"aiwriter blob").derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
