"""What a place for backups will hold and cost, if the last weeks go on."""

from __future__ import annotations

import datetime as dt
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.backups.models import Destination
from apps.backups.selectors.destinations import get_destination
from apps.users.selectors.access import Actor

HISTORY_DAYS = 60
AHEAD_DAYS = 90
_GIB = Decimal(2**30)
# Fewer days say nothing of a trend: a first full backup and a day without work would be one.
_ENOUGH_DAYS = 4


@dataclass(frozen=True, slots=True)
class Forecast:
    """A place's size and cost.

    Args:
        place: which.
        history: day and bytes, of the last `HISTORY_DAYS`.
        per_day: bytes a day; None while there are too few days to tell.
        ahead: day and bytes, of the next `AHEAD_DAYS`; empty without a trend.
        full_on: the day on which the disk of a folder is full, within a year.
        free_bytes: on that disk; None for a storage profile.
    """

    place: Destination
    history: list[tuple[dt.date, int]]
    per_day: float | None
    ahead: list[tuple[dt.date, int]]
    full_on: dt.date | None
    free_bytes: int | None

    @property
    def bytes_now(self) -> int:
        """What lies there after the last run."""
        return self.history[-1][1] if self.history else 0

    @property
    def month_now(self) -> Decimal | None:
        """What a month costs at the present size; None without a price."""
        return self._price(self.bytes_now)

    @property
    def month_ahead(self) -> Decimal | None:
        """What a month costs at the end of the forecast."""
        return self._price(self.ahead[-1][1]) if self.ahead else None

    @property
    def year(self) -> Decimal | None:
        """What the next twelve months cost together, by their mean sizes."""
        if self.per_day is None:
            return None
        months = [max(0, round(self.bytes_now + self.per_day * 30.44 * (number + 0.5))) for number in range(12)]
        costs = [self._price(size) for size in months]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))

    def _price(self, size: int) -> Decimal | None:
        price = self.place.price_gib_month
        return None if price is None else (Decimal(size) / _GIB * price).quantize(Decimal("0.01"))

    def as_dict(self) -> dict[str, Any]:
        """For the API and the command."""
        return {
            "destination_id": self.place.pk,
            "bytes_now": self.bytes_now,
            "bytes_per_day": None if self.per_day is None else round(self.per_day),
            "history": [{"day": day, "bytes": size} for day, size in self.history],
            "ahead": [{"day": day, "bytes": size} for day, size in self.ahead],
            "free_bytes": self.free_bytes,
            "full_on": self.full_on,
            "currency": self.place.currency,
            "price_gib_month": self.place.price_gib_month,
            "cost_month_now": self.month_now,
            "cost_month_ahead": self.month_ahead,
            "cost_year": self.year,
        }


def forecast_of(*, actor: Actor, destination_id: uuid.UUID | str) -> Forecast:
    """The forecast of a place.

    Raises:
        NotFound, PermissionDenied: the actor may not see it.
    """
    return forecast(get_destination(actor=actor, destination_id=destination_id))


def forecast(place: Destination, today: dt.date | None = None) -> Forecast:
    """The forecast of a place, for pages and health checks."""
    day = today or timezone.now().date()
    rows = place.sizes.filter(day__gte=day - dt.timedelta(days=HISTORY_DAYS)).order_by("day")
    history = [(row.day, row.bytes) for row in rows]
    slope = trend(history)
    ahead: list[tuple[dt.date, int]] = []
    if slope is not None:
        last = history[-1][1]
        steps = range(0, AHEAD_DAYS + 1, 10)
        ahead = [(day + dt.timedelta(days=step), max(0, round(last + slope * step))) for step in steps]
    free = _free(place)
    full_on = None
    if free is not None and slope is not None and slope > 0 and free / slope <= 365:
        full_on = day + dt.timedelta(days=int(free / slope))
    return Forecast(place, history, slope, ahead, full_on, free)


def trend(history: Sequence[tuple[dt.date, int]]) -> float | None:
    """Bytes a day: the median of the slopes between all pairs of days, which a clean-up or one large import leaves alone.

    Source: P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968).
    """
    if len(history) < _ENOUGH_DAYS:
        return None
    pairs = combinations(history, 2)
    return float(median((later - earlier) / (after - before).days for (before, earlier), (after, later) in pairs))


def _free(place: Destination) -> int | None:
    if place.profile_id:
        return None
    folder = Path(settings.DATA_DIR) / place.folder
    for one in (folder, *folder.parents):
        if one.is_dir():
            return shutil.disk_usage(one).free
    return None
