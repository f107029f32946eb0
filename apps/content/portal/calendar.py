"""The calendar: a month as a grid, and the same days as a list on a narrow screen."""

from __future__ import annotations

import calendar as months
import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.content.portal.lifecycle import zone_of
from apps.content.portal.requests import actor_of, signed_in, workspace_of
from apps.content.selectors.calendar import calendar

_FIRST, _LAST = dt.date(2000, 1, 1), dt.date(2100, 12, 1)


@require_GET
@signed_in
def show(request: HttpRequest) -> HttpResponse:
    """One month in the person's time zone."""
    actor, workspace, zone = actor_of(request), workspace_of(request), zone_of(request)
    today = timezone.now().astimezone(zone).date()
    first = _month(request.GET.get("month", ""), today)
    weeks = months.Calendar().monthdatescalendar(first.year, first.month)
    start = dt.datetime.combine(weeks[0][0], dt.time(), tzinfo=zone)
    end = dt.datetime.combine(weeks[-1][-1] + dt.timedelta(days=1), dt.time(), tzinfo=zone)
    entries = calendar(actor=actor, workspace=workspace, start=start, end=end)
    by_day: dict[dt.date, list[Any]] = {}
    for entry in entries:
        local = entry.at.astimezone(zone)
        by_day.setdefault(local.date(), []).append((f"{local:%H:%M}", entry))
    days = [
        [
            {"date": day, "inside": day.month == first.month, "today": day == today, "entries": by_day.get(day, [])}
            for day in week
        ]
        for week in weeks
    ]
    context = {
        "first": first,
        "weeks": days,
        "listed": [day for week in days for day in week if day["entries"] and day["inside"]],
        "earlier": _moved(first, -1),
        "later": _moved(first, 1),
        "zone": str(zone),
        "this_month": first == today.replace(day=1),
    }
    return render(request, "content/calendar.html", context)


def _month(text: str, today: dt.date) -> dt.date:
    """The first day of the month that the address names; of this month when it names none."""
    try:
        asked = dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        return today.replace(day=1)
    return min(max(asked, _FIRST), _LAST)


def _moved(first: dt.date, by: int) -> dt.date:
    return (first + dt.timedelta(days=31) if by > 0 else first - dt.timedelta(days=1)).replace(day=1)
