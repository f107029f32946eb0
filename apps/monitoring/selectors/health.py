"""Reading what the checks found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils import timezone

from apps.monitoring.models import CheckDay, CheckHistory, CheckResult
from apps.users.selectors.access import Actor, require

STRIP_DAYS = 90
# Worst first: a day with five minutes of failing is a failing day. A minute is what a restart costs.
_TOLERATED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Day:
    """How a day went: its worst status that lasted, and how long each lasted in seconds."""

    day: dt.date
    status: str
    seconds: Mapping[str, int]

    @property
    def good_share(self) -> float | None:
        """The part of the watched time that was not failing, 0 to 1; None when nobody looked."""
        every = sum(self.seconds.values())
        return (every - self.seconds["fail"]) / every if every else None


def check_results(actor: Actor) -> QuerySet[CheckResult]:
    """The newest result of every check on every machine."""
    require(actor, "monitoring.read")
    return CheckResult.objects.order_by("key", "node")


def check_history(actor: Actor, key: str) -> QuerySet[CheckHistory]:
    """The past of a check, newest first."""
    require(actor, "monitoring.read")
    return CheckHistory.objects.filter(key=key).order_by("-checked_at", "-id")


def strips(actor: Actor, *, days: int = STRIP_DAYS, key: str = "") -> dict[str, list[Day]]:
    """How each day went, oldest first, by check: the worst of all machines.

    Args:
        actor: needs "monitoring.read".
        days: how many, today included.
        key: one check only.
    """
    require(actor, "monitoring.read")
    today = timezone.now().date()
    first = today - dt.timedelta(days=days - 1)
    rows = CheckDay.objects.filter(day__gte=first)
    if key:
        rows = rows.filter(key=key)
    names = ("ok", "warn", "fail", "unknown")
    sums = (
        rows.order_by()
        .values("key", "day")
        .annotate(**{name: Sum(f"{name}_seconds") for name in names})
        .values_list("key", "day", *names)
    )
    found: dict[str, dict[dt.date, dict[str, int]]] = {}
    for check, day, *lengths in sums:
        found.setdefault(check, {})[day] = dict(zip(names, lengths, strict=True))
    calendar = [first + dt.timedelta(days=n) for n in range(days)]
    return {check: [_day(day, by_day.get(day)) for day in calendar] for check, by_day in found.items()}


def _day(day: dt.date, seconds: dict[str, int] | None) -> Day:
    if seconds is None:
        return Day(day, "none", {"ok": 0, "warn": 0, "fail": 0, "unknown": 0})
    for status in ("fail", "unknown", "warn"):
        if seconds[status] > _TOLERATED_SECONDS:
            return Day(day, status, seconds)
    return Day(day, "ok", seconds)


@lru_cache(maxsize=128)
def runbook_text(page: str, key: str) -> str:
    """What the documentation says to do about a check, as Markdown; empty when it says nothing.

    Args:
        page: below docs/, without ".md".
        key: the heading of the section.
    """
    file = Path(settings.BASE_DIR) / "docs" / f"{page}.md"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return ""
    _, _, rest = f"\n{text}".partition(f"\n### {key}\n")
    return rest.split("\n### ")[0].split("\n## ")[0].strip()
