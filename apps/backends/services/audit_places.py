"""Storage profiles as places for the checkpoints of the audit record; named in settings, because imports go down only."""

from __future__ import annotations

import uuid

from aiwriter.core.errors import InvalidInput, Unavailable
from apps.backends.models import BackendProfile
from apps.backends.services.objects import ObjectSpace


def usable_profile(profile_id: uuid.UUID | str) -> uuid.UUID:
    """The id of an enabled storage profile that is not the portal's own folder.

    Raises:
        InvalidInput: there is none of that id, or it cannot be used for this.
    """
    try:
        found = BackendProfile.objects.enabled().of_kind("storage").filter(pk=profile_id).first()
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise InvalidInput(
            "There is no enabled storage profile of this id.", field="profile_id", remedy="Choose an enabled one."
        )
    if found.managed:
        raise InvalidInput(
            "The portal's own file store lies beside the database.",
            field="profile_id",
            remedy="Choose a storage on another machine.",
        )
    key: uuid.UUID = found.pk
    return key


def put_object(profile_id: uuid.UUID, name: str, content: bytes) -> None:
    """Store an object under a name that is never written over.

    Raises:
        Unavailable: the profile is gone or disabled, or its storage failed.
        StorageFull: no space is left.
    """
    profile = BackendProfile.objects.enabled().of_kind("storage").filter(pk=profile_id).first()
    if profile is None:
        raise Unavailable("The storage profile is not there or not enabled.", remedy="Enable it, or change the place.")
    ObjectSpace(profile, "").put(name, content, same_size_is_same=True)
