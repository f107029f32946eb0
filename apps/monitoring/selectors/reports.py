"""Reading scheduled reports."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.monitoring.models import AlertChannel, ReportRun, ReportSchedule
from apps.users.models import User
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one recipient."""

    name: str
    ok: bool
    said: str
    at: dt.datetime


def schedules_for(actor: Actor) -> QuerySet[ReportSchedule]:
    """All of them, with whom they go to."""
    require(actor, "monitoring.read")
    return ReportSchedule.objects.prefetch_related("people", "channels").order_by("name")


def schedule_for(actor: Actor, schedule_id: uuid.UUID | str) -> ReportSchedule:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    try:
        return schedules_for(actor).get(pk=schedule_id)
    except (ReportSchedule.DoesNotExist, ValidationError):
        raise NotFound("There is no such scheduled report.") from None


def runs_for(actor: Actor) -> QuerySet[ReportRun]:
    """The reports that were made, newest first."""
    require(actor, "monitoring.read")
    return ReportRun.objects.select_related("schedule")


def run_for(actor: Actor, run_id: uuid.UUID | str) -> ReportRun:
    """One report.

    Raises:
        NotFound: there is none.
    """
    try:
        return runs_for(actor).get(pk=run_id)
    except (ReportRun.DoesNotExist, ValidationError):
        raise NotFound("There is no such report.") from None


def told_of(run: ReportRun) -> list[Told]:
    """Whom a report reached, by the names that they have now; two questions for any number."""
    ids: dict[str, list[str]] = {"user": [], "channel": []}
    for key in run.told:
        kind, _, row_id = key.partition(":")
        ids[kind].append(row_id)
    names = {f"user:{person.pk}": str(person) for person in User.objects.filter(pk__in=ids["user"])}
    names |= {f"channel:{each.pk}": each.name for each in AlertChannel.objects.filter(pk__in=ids["channel"])}
    return [
        Told(names.get(key, "somebody who is gone"), each["ok"], each["said"], dt.datetime.fromisoformat(each["at"]))
        for key, each in run.told.items()
    ]
