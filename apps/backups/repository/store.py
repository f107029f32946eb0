"""Where the objects of a repository lie: five verbs, and a folder that has them."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from apps.backups.repository.errors import DeleteRefused, NoSpace, ObjectMissing, StorageFailed

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_AT_ONCE = 1024 * 1024
_SCRATCH = ".scratch"
_SCRATCH_SECONDS = 24 * 3600


@runtime_checkable
class ObjectStore(Protocol):
    """A flat space of named objects. Names look like `packs/ab/<sha256>`; a name is written once with one content."""

    def put(self, name: str, data: bytes) -> None:
        """Store the object whole and durably, or raise; a name that exists is replaced."""

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`, to the end or so many; raises `ObjectMissing`. Fewer come when the object ends."""

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names that begin with the prefix, and their sizes, in any order."""

    def delete(self, name: str) -> None:
        """Remove the object; one that is not there is fine. Raises `DeleteRefused` where nothing may be removed."""


def storage_error(name: str, error: OSError) -> NoSpace | StorageFailed:
    """The typed error for what the operating system said."""
    if error.errno in _FULL:
        return NoSpace(f"No space is left for {name}.")
    return StorageFailed(f"{name}: {error.strerror or error}.")


class _OtherBytesError(Exception):
    """What was copied does not have its digest."""


def _sha256_of(descriptor: int) -> str:
    digest, buffer, at = hashlib.sha256(), memoryview(bytearray(_AT_ONCE)), 0
    while count := os.preadv(descriptor, [buffer], at):
        digest.update(buffer[:count])
        at += count
    return digest.hexdigest()


class _Held:
    """An open object of one thread; it is closed when the thread takes another, or ends."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name, self.descriptor = name, descriptor

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.descriptor)


class FolderStore:
    """A repository in a folder of this machine, or of a mounted one.

    An object is written to a scratch file, flushed to the disk, renamed to its name, and the folder is flushed too: after
    a power cut it is there whole or not at all. Scratch files of processes that died are cleared away by the next `put`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._numbers = itertools.count()
        self._made: set[Path] = set()
        self._cleared = False
        self._threads = threading.local()

    def __repr__(self) -> str:
        return f"FolderStore({str(self.folder)!r})"

    def put(self, name: str, data: bytes) -> None:
        """Store the object whole and durably, or raise."""
        target = self.folder / name
        try:
            if not self._cleared:
                self._clear_scratch()
            self._make(target.parent)
            self._write(target, data)
        except FileNotFoundError:
            # Somebody removed the folder meanwhile: once more from the top.
            self._made.clear()
            try:
                self._make(self.folder / _SCRATCH)
                self._make(target.parent)
                self._write(target, data)
            except OSError as error:
                raise storage_error(name, error) from error
        except OSError as error:
            raise storage_error(name, error) from error

    def take(self, name: str, other: FolderStore, sha256: str) -> bool:
        """Copy an object of another folder here, whole and durably, when it has this SHA-256.

        The system copies it without giving it to us, and what it wrote is then read and hashed before it gets its name:
        one look at the bytes tells that the source is whole and the copy is too. Not by `copy_file_range`, with which some
        file systems let both names share the same blocks: the second would be lost with the first.

        Returns:
            False when it was not done: the bytes are others, or the system cannot do it.
        """
        target = self.folder / name
        if not hasattr(os, "sendfile"):
            return False
        try:
            source = os.open(other.folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(f"{name} is not in the repository.") from error
        except OSError as error:
            raise storage_error(name, error) from error
        try:
            if not self._cleared:
                self._clear_scratch()
            self._make(target.parent)
            with self._scratch_file(target) as descriptor:
                while os.sendfile(descriptor, source, None, _AT_ONCE):
                    pass
                if _sha256_of(descriptor) != sha256:
                    raise _OtherBytesError
        except (_OtherBytesError, FileNotFoundError):
            return False
        except OSError as error:
            if error.errno in _CANNOT:
                return False
            raise storage_error(name, error) from error
        finally:
            os.close(source)
        return True

    def _write(self, target: Path, data: bytes) -> None:
        with self._scratch_file(target) as descriptor:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]

    @contextmanager
    def _scratch_file(self, target: Path) -> Iterator[int]:
        """A file to be filled, which gets its name when it is on the disk, and is removed when that did not come about."""
        # `next` of a counter is one step: two threads never get the same scratch file.
        scratch = self.folder / _SCRATCH / f"{socket.gethostname()}-{os.getpid()}-{id(self):x}-{next(self._numbers)}"
        descriptor = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                yield descriptor
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            scratch.replace(target)
        except BaseException:
            with suppress(OSError):
                scratch.unlink()
            raise
        self._flush_folder(target.parent)

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._flush_folder(folder.parent)
        self._made.add(folder)

    @staticmethod
    def _flush_folder(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _clear_scratch(self) -> None:
        """Remove scratch files whose process is gone, or that are a day old."""
        self._cleared = True
        scratch = self.folder / _SCRATCH
        self._make(scratch)
        mine = f"{socket.gethostname()}-"
        for path in scratch.iterdir():
            with suppress(OSError, ValueError):
                dead = time.time() - path.stat().st_mtime > _SCRATCH_SECONDS
                if not dead and path.name.startswith(mine):
                    process = int(path.name[len(mine) :].split("-")[0])
                    dead = process != os.getpid() and not Path(f"/proc/{process}").exists()
                if dead:
                    path.unlink()

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of the object, or a part of them."""
        try:
            with (self.folder / name).open("rb", buffering=0) as file:
                if start:
                    file.seek(start)
                return file.read(-1 if length is None else length) or b""
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(f"{name} is not in the repository.") from error
        except OSError as error:
            raise storage_error(name, error) from error

    def get_into(self, name: str, start: int, target: memoryview) -> int:
        """As `get`, into memory that is there; returns how many bytes came. Each thread keeps its last object open."""
        held: _Held | None = getattr(self._threads, "held", None)
        try:
            if held is None or held.name != name:
                held = self._threads.held = _Held(name, os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC))
            done = 0
            while done < len(target) and (more := os.preadv(held.descriptor, [target[done:]], start + done)):
                done += more
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(f"{name} is not in the repository.") from error
        except OSError as error:
            raise storage_error(name, error) from error
        return done

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names that begin with the prefix, and their sizes."""
        top = prefix.rpartition("/")[0]
        yield from self._walk(self.folder / top, f"{top}/" if top else "", prefix)

    def _walk(self, folder: Path, path: str, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(folder) as found:
                items = sorted(found, key=lambda item: item.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise storage_error(path, error) from error
        for item in items:
            name = path + item.name
            if item.name == _SCRATCH:
                continue
            if item.is_dir(follow_symlinks=False):
                if name.startswith(prefix) or prefix.startswith(f"{name}/"):
                    yield from self._walk(folder / item.name, f"{name}/", prefix)
            elif name.startswith(prefix):
                try:
                    yield name, item.stat().st_size
                except FileNotFoundError:
                    continue

    def delete(self, name: str) -> None:
        """Remove the object; one that is not there is fine."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            if error.errno in _REFUSED:
                raise DeleteRefused(f"{name} may not be removed: {error.strerror}.") from error
            raise storage_error(name, error) from error
