"""What a report of operations says of backups and drills. `REPORT_PARTS` names `section`."""

from __future__ import annotations

import datetime as dt

from django.db.models import Max, Q, Sum

from apps.backups.models import BackupRun, BackupSet, Drill
from apps.monitoring.services.report_figures import Row, Section, span


def section(since: dt.datetime, until: dt.datetime) -> Section:
    """Backups that were made, runs that failed, and what drills have shown.

    Args:
        since: the first moment.
        until: the first moment after it.
    """
    within = Q(created_at__gte=since, created_at__lt=until)
    sets = BackupSet.objects.filter(within)
    sizes = sets.aggregate(added=Sum("bytes_added"), newest=Max("created_at"))
    failed = BackupRun.objects.filter(within, state=BackupRun.State.FAILED).count()
    drills = Drill.objects.filter(within)
    shown, missed = (drills.filter(state=state).count() for state in (Drill.State.SUCCEEDED, Drill.State.FAILED))
    made = sets.count()
    rows = [
        Row(label="Backups", value=f"{made}, {(sizes['added'] or 0) / 2**20:,.1f} MiB", look="ok" if made else "fail"),
        Row(label="Runs that failed", value=str(failed), look="warn" if failed else "ok"),
        Row(
            label="Restore drills",
            value=f"{shown} went well, {missed} failed",
            look="fail" if missed else "ok" if shown else "warn",
        ),
    ]
    if sizes["newest"]:
        rows.append(Row(label="Newest backup", value=f"{sizes['newest']:%Y-%m-%d %H:%M} UTC"))
    last = drills.filter(state=Drill.State.SUCCEEDED).order_by("-created_at").first()
    if last is not None and last.rto_seconds is not None:
        took = span(dt.timedelta(seconds=last.rto_seconds))
        rows.append(Row(label="The last drill", value=f"{last.created_at:%Y-%m-%d %H:%M} UTC; the restore took {took}"))
    return Section(title="Backups and restores", rows=rows)
