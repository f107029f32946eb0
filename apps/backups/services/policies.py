"""Schedules and retention: made, changed, removed."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from aiwriter.core.errors import Conflict, Detail, InvalidInput
from apps.backups.models import Policy
from apps.backups.selectors.destinations import get_destination, get_policy
from apps.backups.services import capture
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

FIELDS = (
    "name",
    "enabled",
    "every",
    "at",
    "window_start",
    "window_end",
    "bandwidth_mb",
    "cpu_percent",
    "keep_last",
    "keep_hourly",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_yearly",
    "keep_days",
    "keep_minimum",
    "verify_percent",
    "deep_days",
    "drill_days",
    "pitr",
    "pitr_seconds",
    "pitr_days",
    "rpo_minutes",
    "rto_minutes",
)


def create_policy(*, actor: Actor, destination_id: uuid.UUID | str, name: str, **values: Any) -> Policy:
    """Make a schedule for a place.

    Args:
        actor: needs "backups.manage".
        destination_id: which place.
        name: what people read.
        values: other fields of `Policy`.

    Raises:
        InvalidInput: a value cannot be used.
        Conflict: the name is taken, or the place is a copy, which follows its source.
    """
    require(actor, "backups.manage")
    place = get_destination(actor=actor, destination_id=destination_id)
    if place.mirror_of_id:
        raise Conflict("A copy follows the place that it is a copy of.", remedy="Make the policy there.")
    row = Policy(destination=place, name=" ".join(name.split()))
    _set(row, values)
    with transaction.atomic():
        row.save(force_insert=True)
        record(actor, "backup.policy_created", obj=row, after=_shown(row))
        transaction.on_commit(capture.sync_wanted)
    return row


def update_policy(*, actor: Actor, policy_id: uuid.UUID | str, **values: Any) -> Policy:
    """Change a schedule. Arguments and errors as for `create_policy`."""
    require(actor, "backups.manage")
    row = get_policy(actor=actor, policy_id=policy_id)
    before = _shown(row)
    if "name" in values:
        values["name"] = " ".join(str(values["name"]).split())
    _set(row, values)
    with transaction.atomic():
        row.save()
        record(actor, "backup.policy_updated", obj=row, before=before, after=_shown(row))
        transaction.on_commit(capture.sync_wanted)
    return row


def delete_policy(*, actor: Actor, policy_id: uuid.UUID | str) -> None:
    """Remove a schedule; its sets stay.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to remove.
    """
    require(actor, "backups.manage")
    row = get_policy(actor=actor, policy_id=policy_id)
    with transaction.atomic():
        record(actor, "backup.policy_deleted", obj=row, before=_shown(row))
        row.delete()
        transaction.on_commit(capture.sync_wanted)


def _set(row: Policy, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in FIELDS:
            raise InvalidInput(f"A policy has no '{name}'.", field=name)
        setattr(row, name, value)
    if bool(row.window_start) != bool(row.window_end):
        raise InvalidInput(
            "A window has a begin and an end.", field="window_end", remedy="Enter both times, or neither."
        )
    if row.pitr and row.enabled:
        _require_alone(row)
    try:
        row.full_clean(exclude=["destination"])
    except ValidationError as error:
        details = [Detail(field, " ".join(texts)) for field, texts in error.message_dict.items()]
        if any(detail.field == "name" and "already" in detail.issue for detail in details):
            raise Conflict("There is a policy of this name.", field="name", remedy="Choose another.") from error
        raise InvalidInput(details[0].issue, field=details[0].field, details=details) from error


def _require_alone(row: Policy) -> None:
    """There is one capture; copies of the place take what it has."""
    other = Policy.objects.filter(pitr=True, enabled=True).exclude(pk=row.pk).first()
    if other is not None:
        raise Conflict(
            f"'{other.name}' captures every change already.",
            field="pitr",
            remedy="Switch it off there, or add a place that is a copy of the other one: copies get the changes too.",
        )


def _shown(row: Policy) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in FIELDS}
    return {name: value.isoformat() if isinstance(value, dt.time) else value for name, value in found.items()}
