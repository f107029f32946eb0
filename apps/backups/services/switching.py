"""Exchanging the portal's database for a restored one, and back."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from apps.backups.models import BackupRun, BackupSet, Destination, Drill, Policy, Restore
from apps.backups.services import postgres, sqlite
from apps.backups.services.progress import LEASE, Progress
from apps.backups.services.repositories import work_folder
from apps.backups.services.restoring import Target
from apps.users.models import AuditEvent
from apps.users.selectors.access import Actor
from apps.users.services.audit import record

UNDO = dt.timedelta(hours=72)
# What must not go back in time with the rest: where the backups are, what was done, who did what.
_CARRIED: tuple[type[models.Model], ...] = (Destination, Policy, BackupRun, BackupSet, Drill, Restore)


def place_of(restore: Restore) -> Path:
    """The folder of a restore."""
    return work_folder() / "restores" / str(restore.pk)


def switch(restore: Restore, target: Target, progress: Progress) -> None:
    """Exchange the databases. What the portal knows of its backups, and the audit record, come along.

    Raises:
        Unavailable: they could not be exchanged; nothing was changed.
    """
    progress.phase("switch")
    progress.say("Exchanging the databases.")
    before = _keep_present(restore)
    now = timezone.now()
    Restore.objects.filter(pk=restore.pk).update(before=before, switched_at=now, undo_until=now + UNDO)
    carried = _carried(restore)
    try:
        _exchange(target, before)
    except BaseException:
        Restore.objects.filter(pk=restore.pk).update(before="", switched_at=None, undo_until=None)
        raise
    _put(carried)
    # The row came along with the lease of a minute ago, and this process still holds it.
    Restore.objects.filter(pk=restore.pk).update(lease_until=timezone.now() + LEASE)
    for path in settings.AFTER_RESTORE:
        import_string(path)()
    record(
        Actor.system_actor("restore"),
        "backup.restored",
        obj=restore,
        after={"scope": restore.scope, "set": restore.set_name},
    )
    progress.say("The portal runs on the restored database. It can be undone for 72 hours.")


def undo(restore: Restore) -> None:
    """Exchange back. Work of the time since the restore is lost, except the record of it.

    Raises:
        Unavailable: it could not be exchanged; nothing was changed.
    """
    carried = _carried(restore)
    if connection.vendor == "sqlite":
        sqlite.switch_to(Path(restore.before))
    else:
        postgres.switch_to(restore.before, f"{restore.before}_undone")
    _put(carried)
    Restore.objects.filter(pk=restore.pk).update(
        state=Restore.State.UNDONE, undone_at=timezone.now(), undo_until=timezone.now()
    )
    for path in settings.AFTER_RESTORE:
        import_string(path)()


def before_exists(restore: Restore) -> bool:
    """Whether the database of before is still there."""
    if connection.vendor == "sqlite":
        return Path(restore.before).is_file()
    return postgres.exists(restore.before)


def forget_before(restore: Restore) -> None:
    """Remove the database of before."""
    if connection.vendor != "sqlite":
        postgres.drop_database(restore.before)
        postgres.drop_database(f"{restore.before}_undone")
    shutil.rmtree(place_of(restore), ignore_errors=True)
    Restore.objects.filter(pk=restore.pk).update(before="")


def _keep_present(restore: Restore) -> str:
    if connection.vendor != "sqlite":
        return f"{postgres.parameters()['dbname'][:30]}_before_{restore.pk.hex[-8:]}"
    path = place_of(restore) / "before.sqlite3"
    path.unlink(missing_ok=True)
    sqlite.copy_live(path)
    return str(path)


def _exchange(target: Target, before: str) -> None:
    if target.engine == "sqlite":
        sqlite.switch_to(Path(target.place))
        target.drop()
    else:
        postgres.switch_to(target.place, before)


def _carried(restore: Restore) -> dict[type[models.Model], list[Any]]:
    """The rows that come along. Of the record only what the other database cannot have."""
    since = restore.backup_set.created_at if restore.backup_set else restore.created_at - dt.timedelta(days=3650)
    found: dict[type[models.Model], list[Any]] = {model: list(model._default_manager.all()) for model in _CARRIED}
    found[AuditEvent] = list(AuditEvent.objects.filter(occurred_at__gte=since - dt.timedelta(hours=1)))
    return found


def _put(carried: dict[type[models.Model], list[Any]]) -> None:
    """Write the rows into the database that is there now; references to what it does not have become empty."""
    with transaction.atomic():
        for model, rows in carried.items():
            names = [field.attname for field in model._meta.concrete_fields]
            there = set(model._default_manager.values_list("pk", flat=True))
            if model is AuditEvent:
                model._default_manager.bulk_create([row for row in rows if row.pk not in there], batch_size=200)
                continue
            if model is BackupSet:
                # The list of before is the whole truth about what the repositories hold.
                gone = there - {row.pk for row in rows}
                model._default_manager.filter(pk__in=gone).delete()
                there -= gone
                _drop_twins(rows)
                there = set(model._default_manager.values_list("pk", flat=True))
            for row in rows:
                if not _mend(row):
                    continue
                values = {name: getattr(row, name) for name in names}
                if row.pk in there:
                    model._default_manager.filter(pk=row.pk).update(
                        **{name: value for name, value in values.items() if name != model._meta.pk.attname}
                    )
                else:
                    _make_room(model, row)
                    model._default_manager.bulk_create([model(**values)])


def _drop_twins(rows: Iterable[BackupSet]) -> None:
    for row in rows:
        BackupSet.objects.filter(destination=row.destination_id, name=row.name).exclude(pk=row.pk).delete()


def _make_room(model: type[models.Model], row: Any) -> None:
    """A place or a schedule of the same name that the restored database has under another id gives way."""
    if model in (Destination, Policy):
        twin = model._default_manager.filter(name=row.name).exclude(pk=row.pk)
        twin.update(name=f"{row.name[:50]} (restored)")


def _mend(row: Any) -> bool:
    """Empty references to rows that are not there. False when the row cannot stand without one."""
    for field in row._meta.concrete_fields:
        if not field.is_relation:
            continue
        value = getattr(row, field.attname)
        if value is None or field.related_model._default_manager.filter(pk=value).exists():
            continue
        if not field.null:
            return False
        setattr(row, field.attname, None)
    return not (isinstance(row, Destination) and row.kind == Destination.Kind.STORAGE and row.profile_id is None)
