"""Reading the error inbox."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.monitoring.models import ErrorDay, ErrorGroup, ErrorSample
from apps.users.selectors.access import Actor, require


def errors_for(actor: Actor, *, state: str = "", part: str = "") -> QuerySet[ErrorGroup]:
    """Kinds of errors, those that came last first.

    Args:
        actor: needs "monitoring.read".
        state: one of `ErrorGroup.State`; every one when left out.
        part: "web", "worker", "watch" …; every one when left out.
    """
    require(actor, "monitoring.read")
    rows = ErrorGroup.objects.all()
    rows = rows.filter(state=state) if state else rows
    return rows.filter(parts__contains=part) if part else rows


def error_for(actor: Actor, error_id: uuid.UUID | str) -> ErrorGroup:
    """One kind of error.

    Raises:
        NotFound: there is none.
    """
    found = errors_for(actor).filter(pk=error_id).first()
    if found is None:
        raise NotFound("There is no such error.")
    return found


def samples_of(group: ErrorGroup) -> QuerySet[ErrorSample]:
    """The errors of a kind that were kept whole, newest first."""
    return group.samples.order_by("-at", "-id")


def days_of(group: ErrorGroup, *, days: int = 30) -> Sequence[tuple[dt.date, int]]:
    """How often it came on each of the last days, oldest first."""
    today = timezone.now().date()
    first = today - dt.timedelta(days=days - 1)
    counts = dict(ErrorDay.objects.filter(group=group, day__gte=first).values_list("day", "count"))
    return [(day, counts.get(day, 0)) for day in (first + dt.timedelta(days=n) for n in range(days))]


def newly_open(since: dt.datetime, until: dt.datetime) -> int:
    """How many kinds came up, or came again, in a time. For the figures of the watch."""
    return ErrorGroup.objects.filter(opened_at__gte=since, opened_at__lt=until, state=ErrorGroup.State.OPEN).count()
