"""Scheduling reports of operations, making them, and sending each exactly as often as it is meant."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput
from apps.monitoring.models import AlertChannel, ReportRun, ReportSchedule
from apps.monitoring.selectors.reports import schedule_for
from apps.monitoring.services.channels import checked
from apps.monitoring.services.report_figures import figures
from apps.users.models import RoleGrant, User
from apps.users.selectors.access import Actor, can, require
from apps.users.services.audit import record

FIELDS = ("name", "period", "hour", "enabled")
MOST_RECIPIENTS = 50
KEEP = dt.timedelta(days=400)


def create_schedule(
    *,
    actor: Actor,
    people: Iterable[uuid.UUID | str] = (),
    channels: Iterable[uuid.UUID | str] = (),
    **values: Any,
) -> ReportSchedule:
    """Have a report sent regularly.

    Args:
        actor: needs "monitoring.manage".
        people: ids of those who get it by mail; they have to be allowed to see health and usage.
        channels: ids of alert channels that get it.
        values: `name`, `period` ("week" or "month"), `hour`, `enabled`.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used, or nobody would get it.
        Conflict: there is one of this name.
    """
    require(actor, "monitoring.manage")
    schedule = ReportSchedule(next_at=timezone.now())
    return _save(actor, schedule, values, people=people, channels=channels, action="report_schedule.created")


def update_schedule(
    *,
    actor: Actor,
    schedule_id: uuid.UUID | str,
    people: Iterable[uuid.UUID | str] | None = None,
    channels: Iterable[uuid.UUID | str] | None = None,
    **values: Any,
) -> ReportSchedule:
    """Change one; values as for `create_schedule`, those that are left out stay.

    Raises:
        PermissionDenied, NotFound, InvalidInput, Conflict: it cannot be changed so.
    """
    require(actor, "monitoring.manage")
    schedule = schedule_for(actor, schedule_id)
    return _save(actor, schedule, values, people=people, channels=channels, action="report_schedule.updated")


def delete_schedule(*, actor: Actor, schedule_id: uuid.UUID | str) -> None:
    """Send it no more; the reports that were made go with it.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "monitoring.manage")
    schedule = schedule_for(actor, schedule_id)
    with transaction.atomic():
        record(actor, "report_schedule.deleted", obj=schedule, before=_shown(schedule))
        schedule.delete()


def send_report(*, actor: Actor, schedule_id: uuid.UUID | str) -> ReportRun:
    """Send the newest whole week or month now, beside the schedule; it goes out within seconds.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to send.
    """
    require(actor, "monitoring.manage")
    schedule = schedule_for(actor, schedule_id)
    since, until = span_before(schedule.period, timezone.now())
    made = figures(since, until)
    with transaction.atomic():
        run = ReportRun.objects.create(schedule=schedule, since=since, until=until, by_hand=True, figures=made)
        record(actor, "report.sent", obj=schedule, after={"since": since, "until": until})
    return run


def preview(*, actor: Actor, schedule_id: uuid.UUID | str) -> dict[str, Any]:
    """What would be sent now; nothing is kept.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to see.
    """
    schedule = schedule_for(actor, schedule_id)
    return figures(*span_before(schedule.period, timezone.now()))


def queue_due(*, now: dt.datetime | None = None) -> int:
    """Make the reports whose time has come. Called by the watch; returns how many were made."""
    moment, made = now or timezone.now(), 0
    for schedule in ReportSchedule.objects.filter(enabled=True, next_at__lte=moment).order_by("next_at"):
        since, until = span_before(schedule.period, moment)
        numbers = figures(since, until)
        with transaction.atomic():
            # Another watch may be at it as well: one of them moves the schedule on, and one row is made.
            moved = ReportSchedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at).update(
                next_at=next_after(schedule.period, schedule.hour, moment)
            )
            if moved:
                _, fresh = ReportRun.objects.get_or_create(
                    schedule=schedule, since=since, until=until, by_hand=False, defaults={"figures": numbers}
                )
                made += fresh
    return made


def prune_reports() -> int:
    """Remove reports that are older than 400 days."""
    return ReportRun.objects.filter(created_at__lt=timezone.now() - KEEP).delete()[0]


# ------------------------------------------------------------ the calendar
def span_before(period: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The newest whole week (from Monday) or month before a moment, in UTC.

    Args:
        period: "week" or "month".
        now: the moment.
    """
    today = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == ReportSchedule.Period.MONTH:
        until = today.replace(day=1)
        return (until - dt.timedelta(days=1)).replace(day=1), until
    until = today - dt.timedelta(days=today.weekday())
    return until - dt.timedelta(days=7), until


def next_after(period: str, hour: int, now: dt.datetime) -> dt.datetime:
    """When the next report is due.

    Args:
        period: "week" or "month".
        hour: of the day.
        now: the moment; the answer lies behind it.
    """
    _, border = span_before(period, now)
    due = border.replace(hour=hour)
    while due <= now:
        border = (border + dt.timedelta(days=32)).replace(day=1) if period == "month" else border + dt.timedelta(days=7)
        due = border.replace(hour=hour)
    return due


# ------------------------------------------------------------ saving
def _save(
    actor: Actor,
    schedule: ReportSchedule,
    values: dict[str, Any],
    *,
    people: Iterable[uuid.UUID | str] | None,
    channels: Iterable[uuid.UUID | str] | None,
    action: str,
) -> ReportSchedule:
    before = None if schedule._state.adding else _shown(schedule)
    for name in FIELDS:
        if name in values:
            setattr(schedule, name, values[name])
    schedule.name = " ".join(str(schedule.name).split())
    if ReportSchedule.objects.filter(name=schedule.name).exclude(pk=schedule.pk).exists():
        raise _taken()
    readers = list(schedule.people.all()) if people is None and before else _readers(people or ())
    ways = list(schedule.channels.all()) if channels is None and before else _ways(channels or ())
    if not readers and not ways:
        raise InvalidInput("Nobody would get it.", field="people", remedy="Choose a person or a channel.")
    if len(readers) > MOST_RECIPIENTS:
        raise InvalidInput(
            f"At most {MOST_RECIPIENTS} people.", field="people", remedy="Use a channel with a list's address."
        )
    checked(schedule)
    if before is None or any(before[name] != getattr(schedule, name) for name in ("period", "hour", "enabled")):
        # Nothing else moves it: who renames one in the minute in which it is due must not lose a week.
        schedule.next_at = next_after(schedule.period, schedule.hour, timezone.now())
    try:
        with transaction.atomic():
            schedule.save()
            schedule.people.set(readers)
            schedule.channels.set(ways)
            record(actor, action, obj=schedule, before=before, after=_shown(schedule))
    except IntegrityError:
        raise _taken() from None
    return schedule


def _taken() -> Conflict:
    return Conflict("There is a report of this name.", field="name", remedy="Choose another one.")


def _readers(ids: Iterable[uuid.UUID | str]) -> list[User]:
    wanted = {str(each) for each in ids}
    found = list(User.objects.filter(pk__in=wanted, status=User.Status.ACTIVE))
    if len(found) != len(wanted):
        raise InvalidInput(
            "One of the people does not exist.", field="people", remedy="Choose from the list of people."
        )
    for person in found:
        if not may_read(person):
            raise InvalidInput(
                f"{person} may not see health and usage.",
                field="people",
                remedy="Give them a role that may, or send it to a channel.",
            )
    return found


def readers() -> QuerySet[User]:
    """Who may be chosen: people that sign in and may see health and usage."""
    people = User.objects.filter(status=User.Status.ACTIVE, kind=User.Kind.HUMAN).order_by("email")
    holders = people.filter(pk__in=RoleGrant.objects.live().values("user_id"))
    return people.filter(pk__in=[person.pk for person in holders if may_read(person)])


def may_read(person: User) -> bool:
    """Whether somebody may have the figures."""
    return person.status == User.Status.ACTIVE and can(Actor.for_user(person), "monitoring.read")


def _ways(ids: Iterable[uuid.UUID | str]) -> list[AlertChannel]:
    wanted = {str(each) for each in ids}
    found = list(AlertChannel.objects.filter(pk__in=wanted))
    if len(found) != len(wanted):
        raise InvalidInput("One of the channels does not exist.", field="channels", remedy="See the list of channels.")
    return found


def _shown(schedule: ReportSchedule) -> dict[str, Any]:
    return {
        **{name: getattr(schedule, name) for name in FIELDS},
        "people": schedule.people.count(),
        "channels": sorted(schedule.channels.values_list("name", flat=True)),
    }
