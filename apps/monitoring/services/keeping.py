"""Keeps figures: one minute for 48 hours, five minutes for 30 days, one hour for 400 days."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from django.db.models import Max, Min, Sum

from aiwriter.core.metric_files import settle_dead
from apps.monitoring.models import FIVE_MINUTES, HOUR, MINUTE, MetricPoint, MetricSeries
from apps.monitoring.services import measuring
from apps.monitoring.services.measuring import Figure
from apps.monitoring.services.results import node_name

KEPT = {MINUTE: 48 * 3600, FIVE_MINUTES: 30 * 86400, HOUR: 400 * 86400}
_COARSER = ((MINUTE, FIVE_MINUTES), (FIVE_MINUTES, HOUR))
# A series of each route that was ever asked for; a portal has some four hundred, so this is never reached by itself.
MAX_SERIES = 5000

_ids: dict[tuple[str, str], int] = {}
_lock = threading.Lock()


class Recorder:
    """Looks once a minute at what was counted.

    Args:
        folder: where the processes count.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: measuring.Reading | None = None

    def measure(self, more: Iterable[Figure] = ()) -> int:
        """Keep the figures of the time since the last look.

        Args:
            more: figures from elsewhere, such as those of the checks.

        Returns:
            how many were kept.
        """
        settle_dead(self._folder)
        now = measuring.read(self._folder)
        found = [*more]
        # The first look only begins: what was counted before it belongs to no minute that is known.
        if self._before is not None:
            found += measuring.figures(self._before, now)
        self._before = now
        return keep(found)


def keep(figures: Iterable[Figure], *, at: float | None = None) -> int:
    """Write figures of one minute; a second one of the same minute counts for nothing.

    Args:
        figures: what was measured.
        at: seconds since 1970; now when left out.

    Returns:
        how many there were.
    """
    minute = int(time.time() if at is None else at) // MINUTE * MINUTE
    wanted = {(f.name[:80], f.label[:160]): f.value for f in figures}
    ids = _series(wanted)
    points = [
        MetricPoint(series_id=ids[key], step=MINUTE, at=minute, count=1, total=value, low=value, high=value)
        for key, value in wanted.items()
        if key in ids
    ]
    MetricPoint.objects.bulk_create(points, ignore_conflicts=True, batch_size=500)
    return len(points)


def _series(wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    node = node_name()
    with _lock:
        missing = [key for key in wanted if key not in _ids]
        if missing:
            _ids.clear()
            _ids.update(_stored(node))
            new = [key for key in missing if key not in _ids][: max(MAX_SERIES - len(_ids), 0)]
            MetricSeries.objects.bulk_create(
                [MetricSeries(name=name, label=label, node=node) for name, label in new], ignore_conflicts=True
            )
            _ids.update(_stored(node) if new else {})
        return dict(_ids)


def _stored(node: str) -> dict[tuple[str, str], int]:
    rows = MetricSeries.objects.filter(node=node).values_list("name", "label", "pk")
    return {(name, label): pk for name, label, pk in rows}


def forget_series() -> None:
    """Look the series up again; after rows were removed."""
    with _lock:
        _ids.clear()


def roll_up(*, now: float | None = None) -> int:
    """Make coarser points of finer ones, of every step that is over. Repeating it changes nothing.

    Args:
        now: seconds since 1970; the present when left out.

    Returns:
        how many points were made.
    """
    moment = int(time.time() if now is None else now)
    return sum(_coarsen(fine, coarse, moment) for fine, coarse in _COARSER)


def _coarsen(fine: int, coarse: int, now: int) -> int:
    points = MetricPoint.objects.filter(series__node=node_name())
    # A minute of patience: the last fine point of a step is written a little after its end.
    end = (now - MINUTE) // coarse * coarse
    last = points.filter(step=coarse).aggregate(at=Max("at"))["at"]
    start = last + coarse if last is not None else points.filter(step=fine).aggregate(at=Min("at"))["at"]
    made = 0
    while start is not None and (start := start // coarse * coarse) < end:
        rows = (
            points.filter(step=fine, at__gte=start, at__lt=start + coarse)
            .order_by()
            .values_list("series_id")
            .annotate(Sum("count"), Sum("total"), Min("low"), Max("high"))
        )
        new = [
            MetricPoint(series_id=series, step=coarse, at=start, count=count, total=total, low=low, high=high)
            for series, count, total, low, high in rows
        ]
        MetricPoint.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)
        made += len(new)
        # Straight to the next step with anything in it: after a week's pause there are 2,000 empty ones.
        after = points.filter(step=fine, at__gte=start + coarse, at__lt=end)
        start = after.aggregate(at=Min("at"))["at"]
    return made


def prune_points(*, now: float | None = None) -> int:
    """Remove points that are older than their step is kept, and series without any.

    Returns:
        how many points.
    """
    moment = int(time.time() if now is None else now)
    gone = 0
    for step, seconds in KEPT.items():
        gone += MetricPoint.objects.filter(step=step, at__lt=moment - seconds).delete()[0]
    if gone:
        MetricSeries.objects.filter(points=None).delete()
        forget_series()
    return gone
