"""Collects bytes that no file refers to: marked first, deleted after a period of grace.

The grace is for people (a restored row, a download that is still running), not for safety: a row is deleted by one
statement that asks for references itself, and the database makes that wait for a reference which is just being written.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from aiwriter.core.errors import AppError
from aiwriter.pluginhost import calls
from aiwriter_sdk import BackendError
from apps.backends.models import BackendProfile, StoredBlob
from apps.backends.services import blobs

log = logging.getLogger(__name__)

GRACE = dt.timedelta(hours=24)
_BATCH = 500
_FOLDER = "blobs"


@dataclass(slots=True)
class Collected:
    """What a collection did. `failed` counts bytes that the storage did not delete; they are tried again as strays."""

    marked: int = 0
    deleted: int = 0
    bytes: int = 0
    strays: int = 0
    failed: int = 0


def collect_garbage(*, grace: dt.timedelta = GRACE, stray_age: dt.timedelta = GRACE) -> Collected:
    """Mark what nothing refers to, delete what was marked a grace ago, and sweep up bytes without a row.

    Args:
        grace: between the mark and the deletion.
        stray_age: least age of bytes without a row. It has to be longer than any upload takes: bytes are written first
            and get their row afterwards, and in between nothing else tells them from strays.
    """
    done = Collected()
    now = timezone.now()
    StoredBlob.objects.filter(condemned_at__isnull=False).exclude(
        pk__in=StoredBlob.objects.unreferenced().values("pk")
    ).update(condemned_at=None)
    done.marked = StoredBlob.objects.unreferenced().filter(condemned_at=None).update(condemned_at=now)
    ripe = StoredBlob.objects.unreferenced().filter(condemned_at__lte=now - grace).select_related("profile")
    for blob in ripe[:_BATCH]:
        discard_blob(blob, done)
    for profile in BackendProfile.objects.enabled().of_kind("storage"):
        _sweep_strays(profile, stray_age, done)
    _sweep_temporary(stray_age)
    if done.deleted or done.strays or done.failed:
        log.info(
            "collected %d blobs (%d bytes), %d strays, %d failed", done.deleted, done.bytes, done.strays, done.failed
        )
    return done


def discard_blob(blob: StoredBlob, done: Collected) -> None:
    """Delete a blob that is condemned and that nothing names, row first."""
    try:
        with transaction.atomic():
            # Locked and asked again: a file that has just been stored with the same bytes keeps them.
            doomed = StoredBlob.objects.select_for_update().filter(pk=blob.pk, condemned_at__isnull=False).first()
            if doomed is None or not StoredBlob.objects.unreferenced().filter(pk=blob.pk).exists():
                return
            doomed.delete()
    except ProtectedError:
        return
    # The row is gone, so nothing can refer to the bytes any more; a crash here leaves a stray, never a missing file.
    done.deleted += 1
    done.bytes += blob.size
    try:
        blobs.discard(blobs.open_storage(blob.profile), blob.storage_name)
    except AppError as error:
        done.failed += 1
        log.warning("bytes without a row could not be deleted: %s", error.message)


def _sweep_strays(profile: BackendProfile, age: dt.timedelta, done: Collected) -> None:
    """Delete bytes without a row, as crashes between the one and the other leave them, where the storage can list."""
    try:
        place = blobs.open_storage(profile)
    except AppError as error:
        log.warning("the storage %s cannot be swept: %s", profile.name, error.message)
        return
    if "listing" not in place.backend.descriptor.capabilities:
        return
    border = timezone.now() - age
    try:
        for folder in _folders(place):
            for path in _without_row(profile, _names(place, folder)):
                # Younger ones may be about to get their row.
                with contextlib.suppress(FileNotFoundError), calls.guarded(place.backend):
                    if place.storage.get_modified_time(path) <= border:
                        place.storage.delete(path)
                        done.strays += 1
    except BackendError as error:
        log.warning("the storage %s could not be swept: %s", profile.name, error.message)


def _sweep_temporary(age: dt.timedelta) -> None:
    """Remove working copies that a killed process left behind."""
    border = (timezone.now() - age).timestamp()
    for path in blobs.temporary_folder().iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < border:
                path.unlink()


def _without_row(profile: BackendProfile, paths: list[str]) -> list[str]:
    rows = StoredBlob.objects.filter(profile=profile, storage_name__in=paths)
    known = set(rows.values_list("storage_name", flat=True))
    return [path for path in paths if path not in known]


def _folders(place: blobs.OpenStorage) -> Iterator[str]:
    for first in _listed(place, _FOLDER)[0]:
        for second in _listed(place, f"{_FOLDER}/{first}")[0]:
            yield f"{_FOLDER}/{first}/{second}"


def _names(place: blobs.OpenStorage, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in _listed(place, folder)[1]]


def _listed(place: blobs.OpenStorage, folder: str) -> tuple[list[str], list[str]]:
    with calls.guarded(place.backend):
        folders, files = place.storage.listdir(folder)
        return list(folders), list(files)
