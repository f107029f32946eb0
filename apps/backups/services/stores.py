"""Where a repository's objects lie: a folder, or a storage profile through the backends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from aiwriter import env
from aiwriter.core.errors import InvalidInput, NotFound, StorageFull, Unavailable
from apps.backends.models import BackendProfile
from apps.backends.services import objects
from apps.backends.services.objects import ObjectSpace
from apps.backups.models import Destination
from apps.backups.repository.errors import DeleteRefused, NoSpace, ObjectMissing, StorageFailed
from apps.backups.repository.store import FolderStore, ObjectStore

S3_VARIABLES = {
    "access_key_id": "AIWRITER_SECRET_S3_KEY_ID",
    "secret_access_key": "AIWRITER_SECRET_S3_KEY",
    "session_token": "AIWRITER_SECRET_S3_TOKEN",
}


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
        except objects.DeleteRefused as error:
            raise DeleteRefused(error.message) from error
        except Unavailable as error:
            raise StorageFailed(error.message, remedy=error.remedy) from error


def open_named(repository: str) -> ObjectStore:
    """The store of a repository that no row tells of, as a rebuild names it.

    Args:
        repository: a folder, or s3://bucket/prefix?endpoint=https://…&region=…&addressing=path; the access key's halves
            are the variables of `S3_VARIABLES`, both left out where the machine has a role.

    Raises:
        NotFound: there is no such folder.
        InvalidInput: the address cannot be read.
        Unavailable: the object store cannot be used.
    """
    if not repository.startswith("s3://"):
        folder = Path(repository).expanduser()
        if not folder.is_dir():
            error = NotFound(
                f"{folder} is no folder.",
                field="repo",
                remedy="Name the repository's folder, or s3://bucket/prefix for one in an object store.",
            )
            error.exit_code = 10
            raise error
        return FolderStore(folder)
    address = urlsplit(repository)
    asked = dict(parse_qsl(address.query))
    if not address.hostname or set(asked) - {"endpoint", "region", "addressing"}:
        raise InvalidInput(
            f"'{repository}' is no address of a bucket.",
            field="repo",
            remedy="Write s3://bucket/prefix, and after it ?endpoint=, &region= or &addressing= where they are needed.",
        )
    options = {"bucket": address.hostname} | {
        name: value
        for name, value in (("endpoint_url", asked.get("endpoint")), ("region", asked.get("region")))
        if value
    }
    # A server of one's own has no name for each bucket.
    options["addressing"] = asked.get("addressing", "path" if "endpoint_url" in options else "auto")
    given = {field: name for field, name in S3_VARIABLES.items() if env.process_variable(name)}
    profile = BackendProfile(
        name=repository,
        kind="storage",
        plugin_key="s3",
        options=options,
        secret_refs={field: f"env:{name}" for field, name in given.items()},
    )
    return DjangoStorageStore(profile, address.path.strip("/"))


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
