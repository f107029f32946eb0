"""A Django `Storage` over one folder: names cannot leave it, and a file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from aiwriter_sdk import Unsupported
from aiwriter_storage_local.faults import explained

INCOMING = ".incoming"
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_LEFT_BEHIND = 24 * 3600


class LocalFiles(FileSystemStorage):
    """Files of one profile, readable by the portal's system user alone.

    Args:
        root: absolute path of the folder; it is made when the first file is saved.
    """

    def __init__(self, root: str) -> None:
        # Resolved once: the folder itself may be a link, but nothing in it may lead out.
        self._root = os.path.realpath(root)
        self._swept = False
        self._lock = threading.Lock()
        super().__init__(location=self._root, file_permissions_mode=_FILE_MODE, directory_permissions_mode=_FOLDER_MODE)

    def path(self, name: str) -> str:
        """The file's place on the disk.

        Raises:
            SuspiciousFileOperation: the name leads out of the folder, also by way of a link, or has a NUL, or is one of
                the folder for unfinished files.
        """
        parts = str(name).replace("\\", "/").split("/")
        if "\x00" in str(name) or ".." in parts or parts[0] == INCOMING:
            raise SuspiciousFileOperation("The name of the file is not allowed.")
        full = super().path(name)
        real = os.path.realpath(full)
        if real != self._root and not real.startswith(self._root.rstrip("/") + "/"):
            raise SuspiciousFileOperation("The name of the file leads out of the folder.")
        return full

    def _open(self, name: str, mode: str = "rb") -> File:
        if set(mode) - set("rbt"):
            raise Unsupported("Files are written with save(), so that none is seen half written.")
        with explained(self._root, reading=True):
            try:
                return File(Path(self.path(name)).open(mode))
            except (IsADirectoryError, NotADirectoryError):
                raise FileNotFoundError(errno.ENOENT, "There is no such file.") from None

    def _save(self, name: str, content: File) -> str:
        full = Path(self.path(name))
        temporary = self._write(content)
        with explained(self._root):
            try:
                self._make_folder(full.parent)
                while not self._placed(temporary, full):
                    # Another save took the name between the look and the link; Storage.save has the same rule.
                    name = self.get_available_name(name)
                    full = Path(self.path(name))
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(full.parent)
        return full.relative_to(self._root).as_posix()

    def _write(self, content: File) -> Path:
        """The content as a finished file without its name; errors of the content's own source pass as they are."""
        incoming = Path(self._root, INCOMING)
        temporary = incoming / secrets.token_hex(16)
        with explained(self._root):
            self._make_folder(incoming)
            self._sweep(incoming)
            number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE)
        try:
            for chunk in content.chunks():
                with explained(self._root):
                    _write_all(number, chunk.encode() if isinstance(chunk, str) else chunk)
            with explained(self._root):
                os.fsync(number)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(number)
        return temporary

    @staticmethod
    def _placed(temporary: Path, full: Path) -> bool:
        """Give the finished file its name, unless the name is taken."""
        try:
            # A link fails where the name exists; a rename would replace what is there.
            os.link(temporary, full)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # FAT and some network disks know no hard links: the name is taken first and then filled in one step.
            try:
                os.close(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE))
            except FileExistsError:
                return False
            try:
                temporary.replace(full)
            except OSError:
                full.unlink()
                raise
        return True

    def _make_folder(self, folder: Path) -> None:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(_FOLDER_MODE, exist_ok=True)
            _sync_folder(one.parent)

    def _sweep(self, incoming: Path) -> None:
        """Once a process: remove what a crash left behind. A day is longer than any upload."""
        with self._lock:
            if self._swept:
                return
            self._swept = True
        for left in incoming.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _LEFT_BEHIND:
                    left.unlink()

    def delete(self, name: str) -> None:
        """Remove a file; quiet when there is none of that name."""
        if not name:
            raise ValueError("The name must be given to delete().")
        with explained(self._root), suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            Path(self.path(name)).unlink()

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Folders and files within a folder; both empty when there is no such folder."""
        try:
            with explained(self._root, reading=True):
                folders, files = super().listdir(path)
        except FileNotFoundError:
            return [], []
        return [folder for folder in folders if folder != INCOMING], files

    def size(self, name: str) -> int:
        """Bytes of a file."""
        with explained(self._root, reading=True):
            return super().size(name)

    def url(self, name: str | None, **options: Any) -> str:
        """Not offered: the portal itself hands these files out, to those who may see them.

        Raises:
            Unsupported: always.
        """
        raise Unsupported("Files in a folder have no address of their own.")


def _write_all(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


def _sync_folder(folder: Path) -> None:
    """Make a new name survive a power failure, where the disk can do that and the folder may be opened."""
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # the folder above ours, which others own; the system writes its entry in its own time
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)
