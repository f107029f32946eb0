"""Backups of other tools: set up, watched, gated on."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import AppError, Conflict, Detail, InvalidInput
from apps.backups.models import Delegate
from apps.backups.selectors.delegates import get_delegate
from apps.backups.services import delegate_tools
from apps.backups.services.alerts import tell_operators
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

FIELDS = (
    "name",
    "tool",
    "source",
    "config",
    "token_ref",
    "role",
    "enabled",
    "gate",
    "max_age_hours",
    "drill_days",
)
State = Delegate.State


def create_delegate(*, actor: Actor, name: str, **values: Any) -> Delegate:
    """Watch backups that another tool makes.

    Args:
        actor: needs "backups.manage".
        name: what people read.
        values: other fields of `Delegate`.

    Raises:
        InvalidInput: a value cannot be used.
        Conflict: the name is taken.
    """
    require(actor, "backups.manage")
    row = Delegate()
    set_values(row, {"name": name, **values})
    with transaction.atomic():
        row.save(force_insert=True)
        record(actor, "backup.delegate_created", obj=row, after=_shown(row))
    return row


def update_delegate(*, actor: Actor, delegate_id: uuid.UUID | str, **values: Any) -> Delegate:
    """Change what is watched. Arguments and errors as for `create_delegate`."""
    require(actor, "backups.manage")
    row = get_delegate(actor=actor, delegate_id=delegate_id)
    before = _shown(row)
    set_values(row, values)
    with transaction.atomic():
        row.save()
        record(actor, "backup.delegate_updated", obj=row, before=before, after=_shown(row))
    return row


def delete_delegate(*, actor: Actor, delegate_id: uuid.UUID | str) -> None:
    """Watch it no longer. The tool and its backups stay as they are.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to remove.
    """
    require(actor, "backups.manage")
    row = get_delegate(actor=actor, delegate_id=delegate_id)
    with transaction.atomic():
        record(actor, "backup.delegate_deleted", obj=row, before=_shown(row))
        row.delete()


def look_now(*, actor: Actor, delegate_id: uuid.UUID | str) -> Delegate:
    """Ask the tool at once.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to ask.
    """
    require(actor, "backups.run")
    return look(get_delegate(actor=actor, delegate_id=delegate_id))


def look_at_all() -> int:
    """Ask every tool, as the schedule wants it. Returns how many were asked."""
    rows = list(Delegate.objects.filter(enabled=True))
    for row in rows:
        look(row)
    return len(rows)


def look(row: Delegate, now: dt.datetime | None = None) -> Delegate:
    """Ask the tool, and judge what it says: failed, overdue, or in order. Operators are told when that gets worse or better."""
    moment = now or timezone.now()
    before = row.state
    try:
        seen = delegate_tools.ask(row)
    except AppError as error:
        # What was seen last stays, so that the page shows what there was.
        row.state, row.problem, row.remedy = State.FAILED, error.message, error.remedy
    else:
        row.sets, row.newest_at, row.since = seen.as_rows(), seen.newest, seen.since
        row.state, row.problem, row.remedy = _judge(row, seen, moment)
    row.looked_at = moment
    row.save(update_fields=["sets", "newest_at", "since", "state", "problem", "remedy", "looked_at", "updated_at"])
    _tell(row, before)
    return row


def _judge(row: Delegate, seen: delegate_tools.Seen, now: dt.datetime) -> tuple[str, str, str]:
    if seen.problem:
        return State.FAILED, seen.problem, seen.remedy
    if seen.newest is None:
        return State.OVERDUE, "There is no finished backup yet.", f"Make one with {row.get_tool_display()}."
    age = now - seen.newest
    if age > dt.timedelta(hours=row.max_age_hours):
        hours = age.total_seconds() / 3600
        words = f"The newest backup is {hours:,.1f} hours old, {row.max_age_hours} are allowed."
        return State.OVERDUE, words, f"See the schedule and the log of {row.get_tool_display()}."
    return State.OK, "", ""


def _tell(row: Delegate, before: str) -> None:
    bad = {State.OVERDUE, State.FAILED}
    link = f"/admin/backups/delegate/{row.pk}/change/"
    if row.state in bad and before not in bad:
        tell_operators("backup.failed", f"{row.name}: {row.get_state_display()}.", f"{row.problem} {row.remedy}", link)
    elif row.state == State.OK and before in bad:
        tell_operators("backup.recovered", f"{row.name} is in order again.", "", link)


def set_values(row: Delegate, values: dict[str, Any]) -> None:
    """Give a row values without saving it.

    Raises:
        InvalidInput, Conflict: a value cannot be used; the field is named.
    """
    for name, value in values.items():
        if name not in FIELDS:
            raise InvalidInput(f"Backups of another tool have no '{name}'.", field=name)
        setattr(row, name, " ".join(value.split()) if isinstance(value, str) else value)
    if row.token_ref:
        secretrefs.check(row.token_ref)
    if row.source.startswith("-"):
        raise InvalidInput(
            "This is no name of a stanza or server.", field="source", remedy="See the tool's configuration."
        )
    if row.tool == Delegate.Tool.CNPG and not row.config:
        raise InvalidInput(
            "Where the list of backups is, is missing.",
            field="config",
            remedy="Enter the address at the Kubernetes API, or the path of a JSON file.",
        )
    if row.tool != Delegate.Tool.CNPG and row.config and not row.config.startswith("/"):
        raise InvalidInput("The configuration file needs its whole path.", field="config", remedy="Begin it with /.")
    if row.tool not in delegate_tools.RESTORING and row.drill_days:
        raise InvalidInput(
            f"{row.get_tool_display()} cannot be drilled from here.", field="drill_days", remedy="Enter 0."
        )
    try:
        row.full_clean()
    except ValidationError as error:
        details = [Detail(field, " ".join(texts)) for field, texts in error.message_dict.items()]
        if any(detail.field == "name" and "already" in detail.issue for detail in details):
            raise Conflict("There is one of this name.", field="name", remedy="Choose another.") from error
        raise InvalidInput(details[0].issue, field=details[0].field, details=details) from error


def _shown(row: Delegate) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


__all__ = [
    "FIELDS",
    "create_delegate",
    "delete_delegate",
    "look",
    "look_at_all",
    "look_now",
    "set_values",
    "update_delegate",
]
