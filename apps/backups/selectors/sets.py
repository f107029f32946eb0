"""Reading sets, runs, drills and restores."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.backups.models import BackupRun, BackupSet, Destination, Drill, RecoveryJob, Restore, StagingCopy
from apps.backups.selectors.destinations import as_id
from apps.users.selectors.access import Actor, require


def sets_for(actor: Actor) -> QuerySet[BackupSet]:
    """All sets, newest first, for those who may see backups."""
    require(actor, "backups.read")
    return BackupSet.objects.select_related("destination")


def get_set(*, actor: Actor, set_id: uuid.UUID | str) -> BackupSet:
    """One set, by the portal's id or the repository's name.

    Raises:
        NotFound: there is none.
    """
    rows = sets_for(actor)
    found = rows.filter(name=str(set_id)).first()
    if found is None:
        found = rows.filter(pk=as_id(set_id)).first()
    if found is None:
        raise NotFound("There is no such backup set.", field="set_id", remedy="See the list of sets.")
    return found


def newest_set(destination: Destination) -> BackupSet | None:
    """The newest set that a restore of everything may use."""
    rows = BackupSet.objects.filter(destination=destination).restorable()
    whole = rows.exclude(state=BackupSet.State.INCOMPLETE)
    return whole.order_by("-created_at").first() or rows.order_by("-created_at").first()


def runs_for(actor: Actor) -> QuerySet[BackupRun]:
    """All runs, newest first."""
    require(actor, "backups.read")
    return BackupRun.objects.select_related("destination", "policy", "requested_by")


def drills_for(actor: Actor) -> QuerySet[Drill]:
    """All drills, newest first."""
    require(actor, "backups.read")
    return Drill.objects.select_related("destination", "delegate", "policy", "backup_set", "requested_by")


def restores_for(actor: Actor) -> QuerySet[Restore]:
    """All restores, newest first."""
    require(actor, "backups.read")
    return Restore.objects.select_related("destination", "backup_set", "safety_run", "requested_by")


def staging_copies_for(actor: Actor) -> QuerySet[StagingCopy]:
    """All staging copies, newest first."""
    require(actor, "backups.read")
    return StagingCopy.objects.select_related("destination", "backup_set", "requested_by")


def get_staging_copy(*, actor: Actor, copy_id: uuid.UUID | str) -> StagingCopy:
    """One staging copy.

    Raises:
        NotFound: there is none.
    """
    return _one(staging_copies_for(actor), copy_id, "There is no such staging copy.")  # type: ignore[return-value]


def get_run(*, actor: Actor, run_id: uuid.UUID | str) -> BackupRun:
    """One run.

    Raises:
        NotFound: there is none.
    """
    return _one(runs_for(actor), run_id, "There is no such run.")  # type: ignore[return-value]


def get_drill(*, actor: Actor, drill_id: uuid.UUID | str) -> Drill:
    """One drill.

    Raises:
        NotFound: there is none.
    """
    return _one(drills_for(actor), drill_id, "There is no such drill.")  # type: ignore[return-value]


def get_restore(*, actor: Actor, restore_id: uuid.UUID | str) -> Restore:
    """One restore.

    Raises:
        NotFound: there is none.
    """
    return _one(restores_for(actor), restore_id, "There is no such restore.")  # type: ignore[return-value]


def _one(rows: QuerySet, key: uuid.UUID | str, message: str) -> RecoveryJob:
    found: RecoveryJob | None = rows.filter(pk=as_id(key)).first()
    if found is None:
        raise NotFound(message)
    return found
