"""Bytes in and out of a storage: measured, hashed, encrypted on the way, verified on the way back."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol, cast

from django.conf import settings
from django.core.files import File
from django.utils import timezone

from aiwriter.core.errors import InvalidInput, StorageFull, TooLarge, Unavailable
from aiwriter.core.ids import uuid7
from aiwriter.core.room import require_room
from aiwriter.pluginhost import calls
from aiwriter_sdk import BackendError, QuotaExceeded
from apps.backends.models import BackendProfile, StoredBlob
from apps.backends.services import encryption, instances

if TYPE_CHECKING:
    from django.core.files.storage import Storage

PIECE = 256 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Readable(Protocol):
    """Anything that bytes can be read from."""

    def read(self, size: int = ..., /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has arrived in a temporary place."""

    file: BinaryIO
    sha256: str
    size: int


@contextlib.contextmanager
def received(stream: Readable, *, limit: int | None = None) -> Iterator[Received]:
    """Take a stream in, piece by piece, hashed while it is written to a temporary file that goes away at the end.

    Args:
        stream: read to its end.
        limit: most bytes; that of uploads when left out.

    Raises:
        TooLarge: the limit was passed; what came until then is gone.
        InvalidInput: nothing came.
        StorageFull: the temporary folder has no space, or the disk is nearly full.
    """
    most = settings.MAX_UPLOAD_BYTES if limit is None else limit
    require_room()
    with _temporary() as file:
        digest, size = hashlib.sha256(), 0
        while piece := stream.read(PIECE):
            size += len(piece)
            if size > most:
                raise TooLarge(
                    f"The file is larger than {most / 1024 / 1024:.0f} MiB.",
                    field="file",
                    remedy="Split it, or ask the operator to raise AIWRITER_MAX_UPLOAD_MB.",
                )
            digest.update(piece)
            with _space("the temporary folder"):
                file.write(piece)
        if not size:
            raise InvalidInput("The file is empty.", field="file", remedy="Choose a file with something in it.")
        with _space("the temporary folder"):
            file.flush()
        yield Received(file=file, sha256=digest.hexdigest(), size=size)


def temporary_folder() -> Path:
    """Where files stand while they come in or are worked on."""
    folder = Path(settings.DATA_DIR) / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def copy_to(blob: StoredBlob, path: Path) -> None:
    """Write a blob, verified whole, to a new file.

    Raises:
        Unavailable: the blob is damaged or cannot be reached.
        StorageFull: no space is left.
    """
    with _space("the temporary folder"), path.open("xb") as target, BlobReader(blob) as reader:
        for piece in reader:
            target.write(piece)


@contextlib.contextmanager
def _temporary() -> Iterator[BinaryIO]:
    with contextlib.ExitStack() as stack:
        with _space("the temporary folder"):
            folder = temporary_folder()
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
        yield cast("BinaryIO", file)


@contextlib.contextmanager
def _space(where: str) -> Iterator[None]:
    """Turns "no space left" of the system or of a storage into the error that people understand."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(where) from error
        raise Unavailable(
            f"{where[0].upper()}{where[1:]} cannot be written: {error.strerror or type(error).__name__}.",
            remedy="Nothing was changed. Ask an operator; the health page says more.",
        ) from error
    except QuotaExceeded as error:
        raise _full(where) from error


def _full(where: str) -> StorageFull:
    return StorageFull(
        f"No space is left in {where}.",
        field="file",
        remedy="Nothing was changed. Ask an operator to make space, then try again.",
    )


@dataclass(frozen=True, slots=True)
class OpenStorage:
    """A storage profile ready for use."""

    profile: BackendProfile
    backend: calls.BuiltBackend
    storage: Storage


def open_storage(profile: BackendProfile) -> OpenStorage:
    """The storage of a profile.

    Raises:
        Unavailable: its settings or its plugin cannot be used.
    """
    try:
        backend = instances.ready(profile).backend
        return OpenStorage(profile=profile, backend=backend, storage=calls.storage(backend))
    except BackendError as error:
        raise _unavailable(profile, error) from error


def _unavailable(profile: BackendProfile, error: BackendError) -> Unavailable:
    return Unavailable(
        f"The file storage '{profile.name}' cannot be used: {error.message}",
        remedy=error.remedy or "Ask an operator to test it in the console.",
    )


def new_storage_name(sha256: str) -> str:
    """Where new bytes go.

    The last part is different each time: bytes that are about to be deleted and equal bytes that have just come in then
    never share a name, and no lock over both is needed.
    """
    return f"blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}.{uuid7().hex[-12:]}"


def save(place: OpenStorage, incoming: Received) -> StoredBlob:
    """Write bytes to the storage. The row is returned unsaved: it may appear only now that its bytes are complete.

    Raises:
        StorageFull: no space is left; nothing was kept.
        Unavailable: the storage failed.
    """
    incoming.file.seek(0)
    encrypted, key_id = place.profile.encrypt_files, ""
    content: IO[bytes] = incoming.file
    expected = incoming.size
    with contextlib.ExitStack() as stack:
        if encrypted:
            key_id, key = encryption.current_key()
            content = stack.enter_context(_temporary())
            with _space("the temporary folder"):
                for piece in encryption.encrypt(incoming.file, key):
                    content.write(piece)
            content.seek(0)
            expected = encryption.encrypted_size(incoming.size)
        try:
            with _space(f"the file storage '{place.profile.name}'"), calls.guarded(place.backend):
                name = place.storage.save(new_storage_name(incoming.sha256), File(content))
                written = place.storage.size(name)
        except BackendError as error:
            raise _unavailable(place.profile, error) from error
    if written != expected:
        discard(place, name)
        raise Unavailable(
            f"The file storage '{place.profile.name}' kept {written} of {expected} bytes.",
            remedy="Try again; if it stays, ask an operator to test the storage.",
        )
    return StoredBlob(
        sha256=incoming.sha256,
        size=incoming.size,
        profile=place.profile,
        storage_name=name,
        encrypted=encrypted,
        key_id=key_id,
    )


def exists(blob: StoredBlob) -> bool:
    """Whether the storage has the bytes of a blob, judged by name and size; nothing is read.

    Raises:
        Unavailable: the storage cannot be reached.
    """
    place = open_storage(blob.profile)
    expected = encryption.encrypted_size(blob.size) if blob.encrypted else blob.size
    try:
        with calls.guarded(place.backend):
            return place.storage.exists(blob.storage_name) and place.storage.size(blob.storage_name) == expected
    except FileNotFoundError:
        return False
    except BackendError as error:
        raise _unavailable(blob.profile, error) from error


def discard(place: OpenStorage, name: str) -> None:
    """Delete bytes that no row names.

    Raises:
        Unavailable: the storage failed; the bytes stay, and the collector finds them later.
    """
    try:
        with calls.guarded(place.backend):
            place.storage.delete(name)
    except BackendError as error:
        raise _unavailable(place.profile, error) from error


def pieces(blob: StoredBlob) -> Iterator[bytes]:
    """A blob's bytes, decrypted. The last piece is followed by an error when the whole is not what was stored.

    Raises:
        Unavailable: missing, damaged or unreachable. A damaged blob is marked, so that the health page shows it.
    """
    place = open_storage(blob.profile)
    digest, size = hashlib.sha256(), 0
    try:
        parts: Iterator[bytes] = raw_pieces(place, blob.storage_name)
        if blob.encrypted:
            parts = encryption.decrypt(parts, encryption.key_of(blob.key_id))
        for part in parts:
            digest.update(part)
            size += len(part)
            yield part
    except FileNotFoundError:
        raise _damaged(blob, "it is missing from the storage") from None
    except encryption.Damaged as error:
        raise _damaged(blob, str(error)) from None
    except BackendError as error:
        raise _unavailable(blob.profile, error) from error
    if digest.hexdigest() != blob.sha256 or size != blob.size:
        raise _damaged(blob, f"its checksum is wrong ({size} of {blob.size} bytes)")


def raw_pieces(place: OpenStorage, name: str) -> Iterator[bytes]:
    """The bytes under a name as they lie in the storage."""
    # The guard is around each step and not around the loop: it would take the closing of this generator for a fault.
    with calls.guarded(place.backend):
        file = place.storage.open(name, "rb")
    try:
        while True:
            with calls.guarded(place.backend):
                part = file.read(PIECE)
            if not part:
                return
            yield part
    finally:
        with calls.guarded(place.backend):
            file.close()


def _damaged(blob: StoredBlob, reason: str) -> Unavailable:
    StoredBlob.objects.filter(pk=blob.pk, damaged_at=None).update(damaged_at=timezone.now())
    return Unavailable(
        f"The file is damaged: {reason}.",
        remedy="Put it in again, or ask an operator to restore it from a backup.",
    )


class BlobReader:
    """A blob as a file to read from start to end; its checksum is verified when the end is reached."""

    def __init__(self, blob: StoredBlob) -> None:
        self._pieces = pieces(blob)
        self._rest = b""
        self.size = blob.size

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; everything that is left when negative; b"" at the end.

        Raises:
            Unavailable: the file is damaged or cannot be reached.
        """
        parts, missing = [self._rest], size - len(self._rest)
        while size < 0 or missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            missing -= len(piece)
        whole = b"".join(parts)
        if size < 0:
            self._rest = b""
            return whole
        self._rest = whole[size:]
        return whole[:size]

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(PIECE):
            yield piece

    def close(self) -> None:
        """Let go of the storage's file."""
        self._pieces.close()  # type: ignore[attr-defined]  # a generator

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
