"""Reading figures over time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import F, Max, Min, QuerySet, Sum

from aiwriter.core.errors import InvalidInput
from apps.monitoring.models import FIVE_MINUTES, HOUR, MINUTE, MetricPoint, MetricSeries
from apps.users.selectors.access import Actor, require

# Range by name: how far back, which step is read, and how much of it one point of the plot stands for.
RANGES: Mapping[str, tuple[int, int, int]] = {
    "1h": (3600, MINUTE, MINUTE),
    "6h": (6 * 3600, MINUTE, 2 * MINUTE),
    "24h": (86400, MINUTE, FIVE_MINUTES),
    "7d": (7 * 86400, FIVE_MINUTES, HOUR),
    "30d": (30 * 86400, HOUR, 4 * HOUR),
    "1y": (365 * 86400, HOUR, 24 * HOUR),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a plot: when it begins, and the mean, sum and bounds of what was measured in it."""

    at: int
    mean: float
    total: float
    low: float
    high: float


@dataclass(slots=True)
class History:
    """A series with its points, oldest first."""

    name: str
    label: str
    points: list[Point] = field(default_factory=list)

    @property
    def last(self) -> float | None:
        """The newest mean."""
        return self.points[-1].mean if self.points else None

    @property
    def mean(self) -> float | None:
        """The mean of all."""
        return sum(p.mean for p in self.points) / len(self.points) if self.points else None

    @property
    def total(self) -> float:
        """The sum of all."""
        return sum(p.total for p in self.points)

    @property
    def high(self) -> float | None:
        """The highest."""
        return max((p.high for p in self.points), default=None)


def all_series(actor: Actor) -> QuerySet[MetricSeries]:
    """What is measured."""
    require(actor, "monitoring.read")
    return MetricSeries.objects.order_by("name", "label", "node")


def check_range(name: str) -> tuple[int, int, int]:
    """A range by its name.

    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in RANGES:
        raise InvalidInput(f"'{name[:20]}' is no range.", field="range", remedy=f"Use one of {', '.join(RANGES)}.")
    return RANGES[name]


def histories(
    actor: Actor,
    names: Sequence[str],
    *,
    span: str = "24h",
    labels: Sequence[str] | None = None,
    now: float | None = None,
) -> dict[str, list[History]]:
    """Series with their points, by name, in two queries. Machines are taken together: sums add up, means are means.

    Args:
        actor: needs "monitoring.read".
        names: which figures.
        span: one of `RANGES`.
        labels: only these; all when left out.
        now: seconds since 1970.
    """
    require(actor, "monitoring.read")
    return read_histories(names, span=span, labels=labels, now=now)


def read_histories(
    names: Sequence[str], *, span: str = "24h", labels: Sequence[str] | None = None, now: float | None = None
) -> dict[str, list[History]]:
    """The same for the portal itself."""
    seconds, step, bucket = check_range(span)
    start = int(time.time() if now is None else now) - seconds
    series = MetricSeries.objects.filter(name__in=names)
    if labels is not None:
        series = series.filter(label__in=labels)
    # The ids first: with a join SQLite walks through the points of all series in this time, which for a year took 120 ms.
    which = {pk: (name, label) for pk, name, label in series.values_list("pk", "name", "label")}
    grouped = (
        MetricPoint.objects.filter(series_id__in=list(which), step=step, at__gte=start)
        .annotate(begin=F("at") - F("at") % bucket)
        .order_by()
        .values_list("series_id", "begin")
        .annotate(Sum("count"), Sum("total"), Min("low"), Max("high"))
    )
    sums: dict[tuple[str, str], dict[int, tuple[float, float, float, float]]] = {}
    for pk, begin, count, total, low, high in grouped:
        points = sums.setdefault(which[pk], {})
        before = points.get(begin)
        if before is not None:  # of another machine
            count, total = count + before[0], total + before[1]
            low, high = min(low, before[2]), max(high, before[3])
        points[begin] = (count, total, low, high)
    by_name: dict[str, list[History]] = {name: [] for name in names}
    for (name, label), points in sorted(sums.items()):
        history = History(name, label)
        for begin, (count, total, low, high) in sorted(points.items()):
            history.points.append(Point(begin, total / count if count else 0.0, total, low, high))
        by_name[name].append(history)
    return by_name
