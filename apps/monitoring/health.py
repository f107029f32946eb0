"""Checks of what every installation has: database, migrations, disk, worker, scheduler."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.monitoring.models import Heartbeat
from apps.monitoring.services.checks import Result, check

SLOW_DATABASE_SECONDS = 0.5
DISK_WARN, DISK_FAIL = 0.10, 0.02
SILENT = dt.timedelta(seconds=60)


@check("database", title="Database", interval=15, deadline=3, severity="required")
def database() -> Result:
    """Whether a query is answered, and how fast."""
    begun = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    took = time.monotonic() - begun
    data = {"latency_seconds": round(took, 4)}
    if connection.vendor == "sqlite" and (wal := Path(f"{connection.settings_dict['NAME']}-wal")).exists():
        data["wal_bytes"] = wal.stat().st_size
    if took > SLOW_DATABASE_SECONDS:
        return Result(
            status="warn",
            message=f"A trivial query took {took * 1000:.0f} ms.",
            remedy="Look for long transactions, a full connection pool, or a busy disk.",
            data=data,
        )
    return Result(status="ok", message=f"Answers in {took * 1000:.0f} ms.", data=data)


@check("migrations", title="Migrations", interval=300, deadline=10, severity="required")
def migrations() -> Result:
    """Whether the database has the tables that this version needs."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return Result(status="ok", message="All are applied.")
    names = ", ".join(f"{m.app_label}.{m.name}" for m, _ in plan[:5])
    return Result(
        status="fail",
        message=f"{len(plan)} are not applied: {names}{' …' if len(plan) > 5 else ''}.",
        remedy="Run `manage.py migrate`, or restart the portal, which does it.",
        data={"missing": len(plan)},
    )


@check("disk", title="Disk of the data folder", interval=60, deadline=5)
def disk() -> Result:
    """How much space the data folder has left."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    share = usage.free / usage.total if usage.total else 0.0
    message = f"{usage.free / 2**30:.1f} GiB of {usage.total / 2**30:.1f} GiB are free ({share:.0%})."
    remedy = f"Make space on the disk of {settings.DATA_DIR}, or move the data folder to a larger one."
    data = {"free_bytes": usage.free, "total_bytes": usage.total}
    if share < DISK_FAIL:
        return Result(status="fail", message=message, remedy=remedy, data=data)
    if share < DISK_WARN:
        return Result(status="warn", message=message, remedy=remedy, data=data)
    return Result(status="ok", message=message, data=data)


@check("worker", title="Worker", interval=15, deadline=5)
def worker() -> Result:
    """Whether a worker does the jobs."""
    return _alive("worker", "Jobs wait until one runs: start it, or look at its log.")


@check("scheduler", title="Scheduler", interval=15, deadline=5)
def scheduler() -> Result:
    """Whether the scheduler sends its tasks."""
    return _alive("scheduler", "Sweeps and checks wait until it runs: start it, or look at its log.")


def _alive(part: str, remedy: str) -> Result:
    newest = Heartbeat.objects.filter(part=part).order_by("-beat_at").first()
    if newest is None:
        return Result(status="warn", message=f"No {part} has reported yet.", remedy=remedy)
    age = timezone.now() - newest.beat_at
    data = {"age_seconds": round(age.total_seconds(), 1)}
    if age > SILENT:
        silent = f"The last sign of life came from {newest.node}, {age.total_seconds():.0f} s ago."
        return Result(status="warn", message=silent, remedy=remedy, data=data)
    return Result(status="ok", message=f"Reported {age.total_seconds():.0f} s ago from {newest.node}.", data=data)
