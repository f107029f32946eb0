"""Storage backends: they return a Django `Storage`; the host adds checksums, naming and encryption once."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiwriter_sdk.backend import Backend, CallControl

if TYPE_CHECKING:
    from django.core.files.storage import Storage

STORAGE_CAPABILITIES = frozenset({"temporary_urls", "listing", "encryption_at_rest", "immutable", "versioning"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageUsage:
    """Bytes used, and bytes left where the place has an end."""

    used_bytes: int | None = None
    free_bytes: int | None = None


class StorageBackend(Backend):
    """A place for files.

    Capabilities: temporary_urls, listing, encryption_at_rest, immutable, versioning.
    """

    @abstractmethod
    def storage(self) -> Storage:
        """A Django `Storage` over this profile.

        Its `open` of a missing name raises `FileNotFoundError`; `delete` of a missing name is quiet; `save` never
        overwrites in silence (the host only writes names that do not exist). With the capability "temporary_urls",
        `url(name, expire=seconds)` gives an address that stops working after so many seconds.

        Unlike the other methods this one is synchronous, and so is the `Storage`: the host calls both in a thread.
        """

    async def usage(self, *, control: CallControl) -> StorageUsage | None:
        """How full the place is, in bytes; None where it cannot be told cheaply."""
        return None
