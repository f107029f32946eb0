"""The check that the log is written, and that what is old is really gone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import orjson
from django.conf import settings
from django.utils import timezone

from aiwriter.core import logfiles
from apps.monitoring.services.checks import Result, check

_LATE = dt.timedelta(hours=3)


@check("logs", title="Log files", interval=300, deadline=10)
def logs() -> Result:
    """How old the oldest line is, read from its file; a promise to delete is kept only when it can be measured."""
    folder = settings.DATA_DIR / "logs"
    there = logfiles.files(folder)
    if not there:
        return Result(status="ok", message="Nothing has been logged yet.")
    size = sum(path.stat().st_size for _, path in there if path.exists())
    oldest = _first_moment(there)
    if oldest is None:
        return Result(status="warn", message="No line of the log can be read.", remedy=f"Look into {folder}.")
    age = timezone.now() - oldest
    data = {"oldest_line_days": round(age.total_seconds() / 86400, 3), "size_bytes": float(size)}
    days = settings.LOG_DAYS
    if age > dt.timedelta(days=days) + _LATE:
        return Result(
            status="fail",
            message=f"The oldest line is {age.days} days old; lines are to be removed after {days}.",
            remedy="Is the watch running, and may it remove files below logs in the data folder?",
            data=data,
        )
    return Result(
        status="ok",
        message=f"The oldest line is {age.total_seconds() / 86400:.1f} days old, of {days} allowed.",
        data=data,
    )


def _first_moment(there: list[tuple[dt.datetime, Path]]) -> dt.datetime | None:
    for _, path in there:
        with path.open("rb") as file:
            for line in file:
                try:
                    return dt.datetime.fromisoformat(orjson.loads(line)["time"])
                except (orjson.JSONDecodeError, KeyError, ValueError, TypeError):
                    continue
    return None
