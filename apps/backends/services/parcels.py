"""Files that are for one person's eyes and go after some days: encrypted with a key of their own, which the caller keeps sealed.

No row of the file store names them, so neither a backup nor a colleague has them, and without its key a parcel is noise.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from django.core.files import File

from aiwriter.core.errors import StorageFull, Unavailable
from aiwriter.core.ids import uuid7
from aiwriter.pluginhost import calls
from aiwriter_sdk import BackendError, QuotaExceeded
from apps.backends.models import BackendProfile
from apps.backends.services import blobs, encryption
from apps.backends.services.filestore import default_storage_profile

FOLDER = "parcels"


def keep(content: BinaryIO) -> tuple[str, str, int]:
    """Store a file in the present file storage.

    Args:
        content: read from its start to its end.

    Returns:
        where it lies, its key, its bytes before encryption.

    Raises:
        StorageFull: no space is left.
        Unavailable: the storage failed.
    """
    profile = default_storage_profile()
    place = blobs.open_storage(profile)
    key = os.urandom(32)
    size = content.seek(0, os.SEEK_END)
    content.seek(0)
    with tempfile.TemporaryFile(dir=blobs.temporary_folder()) as sealed:
        for piece in encryption.encrypt(content, key):
            sealed.write(piece)
        sealed.seek(0)
        try:
            with calls.guarded(place.backend):
                name = place.storage.save(f"{FOLDER}/{uuid7().hex}", File(cast("BinaryIO", sealed)))
        except QuotaExceeded as error:
            raise StorageFull(
                "No space is left in the file storage.", remedy="Ask an operator to make space."
            ) from error
        except BackendError as error:
            raise Unavailable(
                f"The file storage '{profile.name}' failed: {error.message}", remedy="Try again."
            ) from error
    return f"{profile.pk}:{name}", key.hex(), size


def read(place: str, key: str) -> Iterator[bytes]:
    """The bytes of a parcel; an error at the piece that is not as it was.

    Raises:
        Unavailable: it is gone, damaged, or its storage cannot be reached.
    """
    profile, name = _found(place)
    opened = blobs.open_storage(profile)
    try:
        yield from encryption.decrypt(blobs.raw_pieces(opened, name), bytes.fromhex(key))
    except FileNotFoundError:
        raise Unavailable("The file is gone.", remedy="Ask for it again.") from None
    except encryption.Damaged as error:
        raise Unavailable(f"The file is damaged: {error}.", remedy="Ask for it again.") from None
    except BackendError as error:
        raise Unavailable(f"The file storage failed: {error.message}", remedy="Try again.") from error


def drop(place: str) -> None:
    """Remove a parcel; one that is gone is fine.

    Raises:
        Unavailable: the storage failed; try again later.
    """
    profile, name = _found(place)
    blobs.discard(blobs.open_storage(profile), name)


def _found(place: str) -> tuple[BackendProfile, str]:
    profile_id, _, name = place.partition(":")
    profile = BackendProfile.objects.filter(pk=profile_id).first()
    if profile is None or not name.startswith(f"{FOLDER}/"):
        raise Unavailable("The storage of this file is not set up any more.", remedy="Ask for it again.")
    return profile, name
