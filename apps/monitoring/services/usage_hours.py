"""Adds the calls of each full hour up, so that a year is read from thousands of rows and not from millions."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from apps.monitoring.models import UsageHour, UsageRow
from apps.monitoring.selectors.usage import HOUR, added_up_until
from apps.monitoring.services.leading import leads

_DIMENSIONS = ("workspace_id", "user_id", "token_id", "purpose", "model", "profile", "currency")
# A call is written down when it is settled, in a transaction of moments.
_SETTLED_AFTER = dt.timedelta(minutes=5)
_AT_ONCE = dt.timedelta(days=1)


def add_up_hours(*, now: dt.datetime | None = None) -> int:
    """Add up what has become a full hour since the last time, and the last one again; of several watches one does.

    Args:
        now: the present when left out.

    Returns:
        how many sums were written.
    """
    if not leads("usage-hours", seconds=600.0):
        return 0
    end = _hour((now or timezone.now()) - _SETTLED_AFTER)
    done = added_up_until()
    first = done - HOUR if done else UsageRow.objects.aggregate(first=Min("created_at"))["first"]
    written = 0
    begin = _hour(first) if first else end
    while begin < end:
        until = min(begin + _AT_ONCE, end)
        written += _add_up(begin, until)
        begin = until
    return written


def _add_up(begin: dt.datetime, until: dt.datetime) -> int:
    sums = (
        UsageRow.objects.filter(created_at__gte=begin, created_at__lt=until)
        .annotate(hour=TruncHour("created_at", tzinfo=dt.UTC))
        .order_by()
        .values("hour", *_DIMENSIONS)
        .annotate(
            calls=Count("id"),
            tokens_in=Sum("input_tokens"),
            tokens_out=Sum("output_tokens"),
            money=Sum("cost"),
            unpriced=Count("id", filter=Q(cost=None)),
        )
    )
    with transaction.atomic():
        UsageHour.objects.filter(hour__gte=begin, hour__lt=until).delete()
        rows = [
            UsageHour(
                input_tokens=row.pop("tokens_in"), output_tokens=row.pop("tokens_out"), cost=row.pop("money"), **row
            )
            for row in sums.iterator(chunk_size=2000)
        ]
        UsageHour.objects.bulk_create(rows, batch_size=500)
    return len(rows)


def _hour(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
