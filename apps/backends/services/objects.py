"""Plain named objects in a storage profile, for parts of the portal that bring their own names, such as backups."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
from collections.abc import Iterator

from django.core.files import File

from aiwriter.core.errors import StorageFull, Unavailable
from aiwriter.pluginhost import calls
from aiwriter_sdk import AuthFailed, BackendError, QuotaExceeded
from apps.backends.models import BackendProfile
from apps.backends.services import blobs

_PIECE = 1 << 20
_AT_ONCE = 1000


class DeleteRefused(Unavailable):
    """The storage keeps what it has: these credentials may add and not remove."""


class ObjectSpace:
    """Objects under a prefix, each put whole.

    Django's storages have no "replace": a name that is taken would get another one. What is there under a name is
    therefore deleted before it is written anew, and kept when the caller says that equal size means equal bytes.

    Args:
        profile: of kind "storage"; it must be able to list.
        prefix: begin of every name.

    Raises:
        Unavailable: the profile cannot be used, or its storage cannot list.
    """

    def __init__(self, profile: BackendProfile, prefix: str) -> None:
        self._place = blobs.open_storage(profile)
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        if "listing" not in self._place.backend.descriptor.capabilities:
            raise Unavailable(
                f"The storage '{profile.name}' cannot list its files, which is needed here.",
                field="profile",
                remedy="Choose another storage profile.",
            )

    def put(self, name: str, data: bytes, *, same_size_is_same: bool = False) -> None:
        """Store an object whole, or raise.

        Raises:
            StorageFull: no space is left.
            DeleteRefused: the name is taken, and what is there may not be removed.
            Unavailable: the storage failed, or kept something else.
        """
        full = self._prefix + name
        with self._mapped(name):
            if self._place.storage.exists(full):
                if same_size_is_same and self._place.storage.size(full) == len(data):
                    return
                self._remove(name)
            given = self._place.storage.save(full, File(io.BytesIO(data)))
            if given != full:
                self._place.storage.delete(given)
                raise Unavailable(f"{name} is written by somebody else at this moment.", remedy="Try again.")
            written = self._place.storage.size(full)
        if written != len(data):
            raise Unavailable(
                f"The storage kept {written} of {len(data)} bytes of {name}.", remedy="Ask an operator to test it."
            )

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them.

        Raises:
            FileNotFoundError: there is none.
            Unavailable: the storage failed.
        """
        with self._mapped(name), self._place.storage.open(self._prefix + name, "rb") as file:
            if start and file.seekable():
                file.seek(start)
            else:
                left = start
                while left and (piece := file.read(min(left, _PIECE))):
                    left -= len(piece)
            return bytes(file.read() if length is None else file.read(length))

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names that begin with a prefix, and their sizes.

        Raises:
            Unavailable: the storage failed.
        """
        walk = getattr(self._place.storage, "walk", None)
        if walk is None:
            yield from self._walk(prefix.rpartition("/")[0], prefix)
            return
        # A bucket has no folders: a request for each, and one for each size, made a list of thousands take minutes.
        with self._mapped(prefix):
            found = iter(walk(self._prefix + prefix))
        while True:
            with self._mapped(prefix):
                some = list(itertools.islice(found, _AT_ONCE))
            if not some:
                return
            for name, size in some:
                yield name.removeprefix(self._prefix), size

    def _walk(self, folder: str, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            with self._mapped(folder):
                folders, files = self._place.storage.listdir((self._prefix + folder).rstrip("/"))
        except FileNotFoundError:
            return
        path = f"{folder}/" if folder else ""
        for file in sorted(files):
            if (name := path + file).startswith(prefix):
                with self._mapped(name):
                    size = self._place.storage.size(self._prefix + name)
                yield name, size
        for inner in sorted(folders):
            name = path + inner
            if name.startswith(prefix) or prefix.startswith(f"{name}/"):
                yield from self._walk(name, prefix)

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is fine.

        Raises:
            DeleteRefused: these credentials may not remove it.
            Unavailable: the storage failed.
        """
        with contextlib.suppress(FileNotFoundError), self._mapped(name):
            self._remove(name)

    def _remove(self, name: str) -> None:
        try:
            self._place.storage.delete(self._prefix + name)
        except AuthFailed as error:
            raise DeleteRefused(f"{name} may not be removed: {error.message}", remedy=error.remedy) from error
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise DeleteRefused(f"{name} may not be removed: {error.strerror}.") from error

    @contextlib.contextmanager
    def _mapped(self, name: str) -> Iterator[None]:
        try:
            with calls.guarded(self._place.backend):
                yield
        except QuotaExceeded as error:
            raise StorageFull(error.message, remedy=error.remedy) from error
        except BackendError as error:
            raise Unavailable(f"The storage failed at {name}: {error.message}", remedy=error.remedy) from error
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"No space is left for {name}.", remedy="Make space there.") from error
            raise Unavailable(f"The storage failed at {name}: {error.strerror or error}.") from error
