"""Maintenance, and the hold on what goes outside after a restore."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core import pauses
from aiwriter.core.errors import Conflict
from apps.backups.models import Pause, Restore
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record


def begin_maintenance(*, actor: Actor, message: str = "", restore: Restore | None = None) -> Pause:
    """Close the portal to everybody but operators. Safe to repeat; the message is renewed.

    Args:
        actor: needs "jobs.manage".
        message: what people read beside "The portal is being worked on".
        restore: the restore that works on it; it ends with that.
    """
    require(actor, "jobs.manage")
    with transaction.atomic():
        row = _row()
        was = row.maintenance
        row.maintenance, row.message = True, " ".join(message.split())[:300]
        if not was:
            row.since, row.restore_id = timezone.now(), restore.pk if restore else None
        row.save()
        record(actor, "maintenance.begun", after={"message": row.message})
    pauses.forget()
    return row


def end_maintenance(*, actor: Actor) -> Pause:
    """Open the portal again. Workers take up what waits within seconds.

    Raises:
        Conflict: a restore is working on it.
    """
    require(actor, "jobs.manage")
    row = _row()
    if row.restore_id and Restore.objects.filter(pk=row.restore_id, state__in=("queued", "running")).exists():
        raise Conflict("A restore is working on the portal.", remedy="It ends by itself; or stop the restore.")
    with transaction.atomic():
        was = row.maintenance
        row.maintenance, row.message, row.since, row.restore_id = False, "", None, None
        row.save()
        if was:
            record(actor, "maintenance.ended")
    pauses.forget()
    return row


def release(restore_id: uuid.UUID) -> None:
    """Open the portal that this restore closed; quiet when it did not."""
    changed = Pause.objects.filter(restore_id=restore_id).update(
        maintenance=False, message="", since=None, restore_id=None
    )
    if changed:
        record(Actor.system_actor("restore"), "maintenance.ended")
    pauses.forget()


def release_orphaned() -> int:
    """Open the portal when the restore that closed it is over, however it ended. Returns 1 when it did."""
    row = Pause.objects.filter(pk=1, maintenance=True, restore_id__isnull=False).first()
    if row is None or row.restore_id is None:
        return 0
    if Restore.objects.filter(pk=row.restore_id, state__in=("queued", "running")).exists():
        return 0
    release(row.restore_id)
    return 1


def prepare(alias: str, restore: Restore) -> None:
    """Before a restored database takes the portal's place: it begins closed, and sends nothing outside."""
    now = timezone.now()
    # One that an operator closed by hand stays closed afterwards.
    present = Pause.objects.filter(pk=1).first()
    own = present is None or present.restore_id == restore.pk
    Pause.objects.using(alias).update_or_create(
        pk=1,
        defaults={
            "maintenance": True,
            "message": present.message if present else "",
            "since": present.since if present else now,
            "restore_id": restore.pk if own else None,
            "outside": True,
            "outside_since": now,
        },
    )


def hold_outside() -> None:
    """Hold back what waits to go outside: the portal has just gone back in time."""
    row = _row()
    row.outside, row.outside_since = True, timezone.now()
    row.save()
    pauses.forget()


def arm_outside(*, actor: Actor, discard: bool = False) -> int:
    """Let publications, schedules and webhooks go out again.

    Args:
        actor: needs "backups.restore": what was sent cannot be taken back.
        discard: throw away what waits now, and let only what comes after go out.

    Returns:
        how many were thrown away.

    Raises:
        Conflict: nothing is held back.
    """
    require(actor, "backups.restore")
    with transaction.atomic():
        row = _row()
        if not row.outside:
            raise Conflict("Nothing is held back.", remedy="Nothing is to be done.")
        gone = sum(import_string(path)() for path in settings.DISCARD_OUTSIDE) if discard else 0
        row.outside, row.outside_since = False, None
        row.save()
        record(actor, "outside.armed", after={"discarded": gone} if discard else {})
    pauses.forget()
    return gone


def _row() -> Pause:
    return Pause.objects.get_or_create(pk=1)[0]
