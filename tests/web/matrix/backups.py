"""What parameters of the backups app name."""

from __future__ import annotations

import uuid

from apps.backups.models import BackupRun, BackupSet, Delegate, Destination, Drill, Policy, Restore, StagingCopy
from apps.backups.services.delegates import create_delegate
from apps.backups.services.destinations import create_destination
from apps.backups.services.policies import create_policy
from tests.factories.users import SETUP


def _folder():
    """A new one in the data folder of the run, which goes when the run ends."""
    return f"matrix/{uuid.uuid4().hex}"


def _place(people):
    found = Destination.objects.filter(name="Shelf").first()
    if found is None:
        found, _ = create_destination(actor=SETUP, name="Shelf", folder=_folder())
    return found


def _delegate(people):
    found = Delegate.objects.filter(name="Others").first()
    return found or create_delegate(actor=SETUP, name="Others", source="main", config="/nowhere.conf")


def _policy(people):
    found = Policy.objects.filter(name="Hours").first()
    return found or create_policy(actor=SETUP, destination_id=_place(people).pk, name="Hours")


def _set(people):
    found = BackupSet.objects.filter(name="20260101T000000Z-00000000").first()
    return found or BackupSet.objects.create(
        destination=_place(people),
        name="20260101T000000Z-00000000",
        state="suspicious",
        verified_at="2026-01-01T00:00Z",
    )


def _run(people):
    return BackupRun.objects.create(destination=_place(people), state="queued")


def _drill(people):
    return Drill.objects.create(destination=_place(people), backup_set=_set(people), state="queued")


def _restore(people):
    return Restore.objects.create(
        destination=_place(people), backup_set=_set(people), set_name="x", scope="document", subject="x", plan={}
    )


def _staging(people):
    return StagingCopy.objects.create(
        destination=_place(people), backup_set=_set(people), set_name="x", folder="/nowhere", state="queued"
    )


def _policy_form(people):
    return {
        "name": "Nights",
        "destination": _place(people).pk,
        "enabled": "on",
        "every": "day",
        "at": "02:30",
        "bandwidth_mb": 0,
        "cpu_percent": 100,
        "keep_last": 7,
        "keep_hourly": 24,
        "keep_daily": 14,
        "keep_weekly": 8,
        "keep_monthly": 12,
        "keep_yearly": 3,
        "keep_days": 2,
        "keep_minimum": 3,
        "verify_percent": 15,
        "deep_days": 30,
        "drill_days": 7,
        "pitr_seconds": 10,
        "pitr_days": 7,
        "rpo_minutes": 120,
        "rto_minutes": 60,
    }


_DELEGATE = {
    "tool": "pgbackrest",
    "source": "main",
    "config": "/nowhere.conf",
    "role": "postgres",
    "max_age_hours": 26,
    "drill_days": 0,
    "enabled": "on",
}
BODIES = {
    "POST api/v1/backups/destinations": lambda people: {"name": "Away", "folder": _folder()},
    "PATCH api/v1/backups/destinations/<uuid:destination_id>": lambda people: {"name": "Renamed"},
    "PUT api/v1/backups/destinations/<uuid:destination_id>/recipients": lambda people: {
        "recipients": _place(people).recipients
    },
    "POST api/v1/backups/delegates": lambda people: {"name": "Nights of others", "source": "main"},
    "PATCH api/v1/backups/delegates/<uuid:delegate_id>": lambda people: {"max_age_hours": 30},
    "POST admin/backups/delegate/add/": lambda people: {**_DELEGATE, "name": "Nights of others"},
    "POST admin/backups/delegate/<path:object_id>/change/": lambda people: {**_DELEGATE, "name": "Renamed"},
    "POST admin/backups/delegate/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/backups/policies": lambda people: {"name": "Nights", "destination_id": str(_place(people).pk)},
    "PATCH api/v1/backups/policies/<uuid:policy_id>": lambda people: {"keep_last": 9},
    "PATCH api/v1/backups/sets/<uuid:set_id>": lambda people: {"pin": "before the move"},
    "POST api/v1/backups/runs": lambda people: {"action": "verify", "destination_id": str(_place(people).pk)},
    "POST api/v1/backups/drills": lambda people: {
        "destination_id": str(_place(people).pk),
        "set_id": str(_set(people).pk),
    },
    "POST api/v1/backups/restores": lambda people: {"set_id": str(_set(people).pk), "scope": "database"},
    "POST api/v1/backups/restores/<uuid:restore_id>/start": lambda people: {"confirm": ""},
    "POST api/v1/backups/destinations/<uuid:destination_id>/removed": lambda people: {"set": "x"},
    "PUT api/v1/backups/maintenance": lambda people: {"maintenance": False},
    "POST api/v1/backups/outside": lambda people: {"action": "arm"},
    "POST api/v1/backups/staging": lambda people: {"set_id": str(_set(people).pk), "folder": uuid.uuid4().hex},
    "POST admin/backups/policy/add/": _policy_form,
    "POST admin/backups/policy/<path:object_id>/change/": _policy_form,
    "POST admin/backups/policy/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/backups/destination/add/": lambda people: {
        "name": "Away",
        "kind": "folder",
        "folder": _folder(),
        "prefix": "backups",
    },
    "POST admin/backups/destination/<path:object_id>/change/": lambda people: {
        "name": "Renamed",
        "enabled": "on",
        "currency": "USD",
    },
    "POST admin/backups/destination/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/backups/backupset/<uuid:set_id>/pin/": lambda people: {"pin": "before the move"},
}
THINGS = {
    "destination_id": lambda people: _place(people).pk,
    "policy_id": lambda people: _policy(people).pk,
    "set_id": lambda people: _set(people).pk,
    "run_id": lambda people: _run(people).pk,
    "drill_id": lambda people: _drill(people).pk,
    "restore_id": lambda people: _restore(people).pk,
    "copy_id": lambda people: _staging(people).pk,
    "action": lambda people: _place(people) and "verify",
    "delegate_id": lambda people: _delegate(people).pk,
    "backups.delegate": lambda people: _delegate(people).pk,
    "backups.destination": lambda people: _place(people).pk,
    "backups.policy": lambda people: _policy(people).pk,
    "backups.backupset": lambda people: _set(people).pk,
    "backups.backuprun": lambda people: _run(people).pk,
    "backups.drill": lambda people: _drill(people).pk,
    "backups.restore": lambda people: _restore(people).pk,
    "backups.stagingcopy": lambda people: _staging(people).pk,
}
