"""Rows that go by themselves: the data map says after how many days, a job sees to it, and the oldest row proves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.datamap import data_map

_AT_A_TIME = 500
# Jobs run each hour; a row that is so much older than it may be was forgotten.
SLACK = dt.timedelta(days=2)


def prune() -> int:
    """Delete what has been kept for long enough. A job that has not ended stays, whatever its age.

    Returns:
        how many rows.
    """
    count = 0
    for _label, moment, days in _rules():
        old = _rows(_label).filter(**{f"{moment}__lt": timezone.now() - dt.timedelta(days=days)})
        while keys := list(old.order_by().values_list("pk", flat=True)[:_AT_A_TIME]):
            old.model._default_manager.filter(pk__in=keys).delete()
            count += len(keys)
    return count


def overdue() -> dict[str, dt.datetime]:
    """Tables whose oldest row should have gone by now, and since when it is there."""
    return {label: facts["oldest"] for label, facts in oldest().items() if facts["over"]}


def oldest() -> dict[str, dict[str, Any]]:
    """By table: the moment of its oldest row, after how many days a row goes, and whether that one is over its time."""
    found = {}
    for label, moment, days in _rules():
        first = _rows(label).order_by(moment).values_list(moment, flat=True).first()
        over = first is not None and first < timezone.now() - dt.timedelta(days=days) - SLACK
        found[label] = {"oldest": first, "days": days, "over": over}
    return found


def _rules() -> Iterator[tuple[str, str, int]]:
    for label, table in data_map().items():
        if table.kept is not None:
            yield label, *table.kept


def _rows(label: str) -> QuerySet[Any]:
    model = apps.get_model(label)
    rows: QuerySet[Any] = model._default_manager.all()
    return rows.filter(state__in=model.FINAL_STATES) if hasattr(model, "FINAL_STATES") else rows
