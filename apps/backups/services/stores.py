"""Where a repository's objects lie: a folder, or a storage profile through the backends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from aiwriter.core.errors import StorageFull, Unavailable
from apps.backends.models import BackendProfile
from apps.backends.services.objects import ObjectSpace
from apps.backups.models import Destination
from apps.backups.repository.errors import NoSpace, ObjectMissing, StorageFailed
from apps.backups.repository.store import FolderStore, ObjectStore


class DjangoStorageStore:
    """The engine's five verbs over a storage profile."""

    def __init__(self, profile: BackendProfile, prefix: str) -> None:
        self._space = ObjectSpace(profile, prefix)

    def put(self, name: str, data: bytes) -> None:
        """Store the object whole, or raise. A pack bears the digest of its bytes as name: one that is there is left."""
        with self._mapped(name):
            self._space.put(name, data, same_size_is_same=name.startswith("packs/"))

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of the object, or a part of them."""
        with self._mapped(name):
            return self._space.get(name, start, length)

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names that begin with the prefix, and their sizes."""
        with self._mapped(prefix):
            yield from self._space.names(prefix)

    def delete(self, name: str) -> None:
        """Remove the object; one that is not there is fine."""
        with self._mapped(name):
            self._space.delete(name)

    @contextlib.contextmanager
    def _mapped(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ObjectMissing(f"{name} is not in the repository.") from None
        except StorageFull as error:
            raise NoSpace(error.message, remedy=error.remedy) from error
        except Unavailable as error:
            raise StorageFailed(error.message, remedy=error.remedy) from error


def folder_of(destination: Destination) -> Path:
    """Where the folder of a destination is; a path that does not begin with / lies within the data folder."""
    return Path(settings.DATA_DIR) / destination.folder


def open_store(destination: Destination) -> ObjectStore:
    """The store of a destination.

    Raises:
        Unavailable: the storage profile cannot be used.
    """
    profile = destination.profile
    if profile is None:
        return FolderStore(folder_of(destination))
    if not profile.enabled:
        raise Unavailable(
            f"The storage '{profile.name}' is not enabled.", remedy="Test and enable it in the console under Backends."
        )
    return DjangoStorageStore(profile, destination.prefix)
