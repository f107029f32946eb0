"""How objectives stand: what went well, what is left of the budget, how fast it burns."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max, Q, QuerySet, Sum

from aiwriter.core.errors import NotFound
from apps.monitoring.models import FIVE_MINUTES, HOUR, MINUTE, MetricPoint, Slo
from apps.users.selectors.access import Actor, require

# Figures by source: what was counted, and what of it went wrong.
FIGURES = {
    "requests": ("requests", "request_errors"),
    "model_calls": ("model_calls", "model_errors"),
    "tasks": ("tasks", "task_errors"),
}
SLOW_FIGURE = "request_p95_seconds"
# The pairs that are judged: long window, short window (a twelfth of it), and how many times too fast.
WINDOWS = ((60, 5, 14.4), (360, 30, 6.0), (4320, 360, 1.0))
_MINUTES_KEPT, _FIVES_KEPT = 47 * 3600, 29 * 86400


@dataclass(frozen=True, slots=True)
class Counted:
    """What was asked for in a window, and what of it went wrong."""

    every: float
    bad: float

    @property
    def bad_share(self) -> float:
        """0 to 1; 0 when nothing was asked for."""
        return self.bad / self.every if self.every else 0.0

    def burn(self, slo: Slo) -> float:
        """How many times faster than allowed the budget goes: 1 uses it up exactly within its window."""
        return self.bad_share / slo.allowed_share


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows."""

    minutes: int
    short_minutes: int
    limit: float
    long: float
    short: float
    bad: float

    @property
    def too_fast(self) -> bool:
        """Whether both windows say so: the long one that it matters, the short one that it goes on."""
        return self.long > self.limit and self.short > self.limit


@dataclass(frozen=True, slots=True)
class Standing:
    """How an objective stands."""

    slo: Slo
    counted: Counted
    burns: Sequence[Burn]

    @property
    def share(self) -> float | None:
        """Per cent that went well; None when nothing was asked for."""
        return 100.0 * (1.0 - self.counted.bad_share) if self.counted.every else None

    @property
    def left(self) -> float:
        """What is left of the budget, in per cent of it; below 0 when more went wrong than may."""
        allowed = self.counted.every * self.slo.allowed_share
        return 100.0 * (1.0 - self.counted.bad / allowed) if allowed else 100.0

    @property
    def look(self) -> str:
        """A word for its colour."""
        if any(b.too_fast and b.bad >= self.slo.least_bad for b in self.burns[:2]) or self.left <= 0:
            return "fail"
        return "warn" if self.left < 25 or any(b.too_fast for b in self.burns) else "ok"


def slos_for(actor: Actor) -> QuerySet[Slo]:
    """All objectives."""
    require(actor, "monitoring.read")
    return Slo.objects.all()


def slo_for(actor: Actor, slo_id: uuid.UUID | str) -> Slo:
    """One objective.

    Raises:
        NotFound: there is none.
    """
    found = slos_for(actor).filter(pk=slo_id).first()
    if found is None:
        raise NotFound("There is no such objective.")
    return found


def standing(slo: Slo, now: dt.datetime) -> Standing:
    """How one stands at a moment."""
    burns = []
    for minutes, short, limit in WINDOWS:
        long = counted(slo, minutes * 60, now)
        burns.append(Burn(minutes, short, limit, long.burn(slo), counted(slo, short * 60, now).burn(slo), long.bad))
    return Standing(slo, counted(slo, slo.window_days * 86400, now), burns)


def counted(slo: Slo, seconds: int, now: dt.datetime) -> Counted:
    """What was asked for within the last seconds, and what of it went wrong, for one objective."""
    return counted_all([slo], seconds, now)[slo.slug]


def counted_all(slos: Sequence[Slo], seconds: int, now: dt.datetime) -> dict[str, Counted]:
    """The same for several objectives by their slugs, in as many queries as for one: the watch asks every five seconds.

    Of the finest step that reaches so far back, and minutes for the rest.
    """
    end = int(now.timestamp())
    start = end - seconds
    step = MINUTE if seconds <= _MINUTES_KEPT else FIVE_MINUTES if seconds <= _FIVES_KEPT else HOUR
    if step == MINUTE:
        return _sum(slos, Q(step=MINUTE, at__gte=start, at__lt=end))
    # Coarse points end where they were last rolled up; what came after stands in minutes.
    last = MetricPoint.objects.filter(step=step, at__lt=end).aggregate(at=Max("at"))["at"]
    border = last + step if last is not None else start
    return _sum(
        slos, Q(step=step, at__gte=start, at__lt=border) | Q(step=MINUTE, at__gte=max(border, start), at__lt=end)
    )


def _sum(slos: Sequence[Slo], points: Q) -> dict[str, Counted]:
    rows = MetricPoint.objects.filter(points).order_by()
    slow = [slo for slo in slos if slo.source == Slo.Source.SLOW]
    others = [slo for slo in slos if slo.source != Slo.Source.SLOW]
    found: dict[str, Counted] = {}
    if slow:
        asked = rows.filter(series__name=SLOW_FIGURE, series__label__in={slo.label for slo in slow})
        counts = list(asked.values_list("series__label", "count", "total"))
        for slo in slow:
            own = [(count, total) for label, count, total in counts if label == slo.label]
            bad = sum(count for count, total in own if total > slo.slow_seconds * count)
            found[slo.slug] = Counted(float(sum(count for count, _ in own)), float(bad))
    if others:
        names = {name for slo in others for name in FIGURES[slo.source]}
        asked = rows.filter(series__name__in=names, series__label__in={slo.label for slo in others})
        totals = asked.values_list("series__name", "series__label").annotate(Sum("total"))
        sums = {(name, label): total for name, label, total in totals}
        for slo in others:
            every, bad = (sums.get((name, slo.label), 0.0) for name in FIGURES[slo.source])
            found[slo.slug] = Counted(every, min(bad, every))
    return found


def burn_history(slo: Slo, now: dt.datetime, *, hours: int = 72) -> list[tuple[int, float | None]]:
    """How fast the budget burnt in each hour, oldest first; None in an hour without anything."""
    end = int(now.timestamp()) // HOUR * HOUR + HOUR
    start = end - hours * HOUR
    if slo.source == Slo.Source.SLOW:
        names: tuple[str, ...] = (SLOW_FIGURE,)
    else:
        names = FIGURES[slo.source]
    rows = MetricPoint.objects.filter(
        series__name__in=names, series__label=slo.label, step=FIVE_MINUTES, at__gte=start, at__lt=end
    ).values_list("series__name", "at", "count", "total")
    every: dict[int, float] = {}
    bad: dict[int, float] = {}
    for name, at, count, total in rows:
        hour = at // HOUR * HOUR
        if slo.source == Slo.Source.SLOW:
            every[hour] = every.get(hour, 0.0) + count
            bad[hour] = bad.get(hour, 0.0) + (count if total > slo.slow_seconds * count else 0)
        elif name == names[0]:
            every[hour] = every.get(hour, 0.0) + total
        else:
            bad[hour] = bad.get(hour, 0.0) + total
    return [
        (hour, Counted(every[hour], bad.get(hour, 0.0)).burn(slo) if every.get(hour) else None)
        for hour in range(start, end, HOUR)
    ]
