"""Keeps what the checks found, and how the parts of the portal show that they live."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.monitoring.models import RECENT, CheckDay, CheckHistory, CheckResult, Heartbeat
from apps.monitoring.services.checks import Check, Outcome, learn, learnt, registry, run_checks

HISTORY_KEPT = dt.timedelta(days=14)
DAYS_KEPT = dt.timedelta(days=400)
SILENT = dt.timedelta(hours=48)
# An unchanged status is noted this often only: a check every 15 s would fill the table with 11,000 equal rows in 48 h.
_HISTORY_STEP = dt.timedelta(minutes=5)
# The watch beats every 15 s; when it is gone, a worker runs the checks in its place.
WATCH_SILENT = dt.timedelta(seconds=60)


def node_name() -> str:
    """This machine's name in results and heartbeats."""
    return socket.gethostname()[:120]


def beat(part: str) -> None:
    """Note that a part of the portal ("worker", "scheduler", "watch") lives on this machine."""
    Heartbeat.objects.update_or_create(part=part, node=node_name(), defaults={"beat_at": timezone.now()})


def is_watched() -> bool:
    """Whether a watch runs the checks, so that nobody else has to."""
    return Heartbeat.objects.filter(part="watch", beat_at__gt=timezone.now() - WATCH_SILENT).exists()


def run_due_checks(*, force: bool = False) -> list[Outcome]:
    """Run the checks whose interval is over on this machine, and keep the results.

    Args:
        force: run all of them.
    """
    checks = learn()
    if not force:
        checked = dict(CheckResult.objects.filter(node=node_name()).values_list("key", "checked_at"))
        checks = tuple(c for c in checks if _due(c, checked.get(c.key)))
    outcomes = run_checks(checks)
    store(outcomes)
    return outcomes


def _due(check: Check, last: dt.datetime | None) -> bool:
    # A second of grace: the schedule that calls us has about the same period and arrives a little early or late.
    return last is None or timezone.now() - last >= dt.timedelta(seconds=check.interval - 1)


def store(
    outcomes: Sequence[Outcome],
    *,
    letters: Mapping[str, str] | None = None,
    held: Mapping[str, tuple[int, dt.datetime | None]] | None = None,
) -> None:
    """Write results and history, in one transaction.

    Args:
        outcomes: the newest of each check.
        letters: first letters of all statuses since the last time, by key; the newest alone when left out.
        held: deadlines missed in a row, and until when it is quarantined, by key.
    """
    now = timezone.now()
    node = node_name()
    before = {row.key: row for row in CheckResult.objects.filter(node=node)}
    noted = set(
        CheckHistory.objects.filter(node=node, checked_at__gt=now - _HISTORY_STEP).values_list("key", flat=True)
    )
    rows, history = [], []
    for outcome in outcomes:
        key, result, old = outcome.check.key, outcome.result, before.get(outcome.check.key)
        changed = old is None or old.status != result.status
        overruns, until = (held or {}).get(key, (0, None))
        rows.append(
            CheckResult(
                key=key,
                node=node,
                status=result.status,
                message=result.message,
                remedy=result.remedy,
                data=dict(result.data),
                latency_ms=outcome.latency_ms,
                # Of the look, not of the writing: what waited for a frozen database is as old as it is.
                checked_at=outcome.at,
                valid_until=outcome.at + dt.timedelta(seconds=outcome.check.lifetime),
                since=outcome.at if changed or old is None else old.since,
                recent=((old.recent if old else "") + (letters or {}).get(key, result.status[0]))[-RECENT:],
                overruns=overruns,
                quarantined_until=until,
            )
        )
        if changed or key not in noted:
            history.append(
                CheckHistory(
                    key=key,
                    node=node,
                    status=result.status,
                    message=result.message,
                    latency_ms=outcome.latency_ms,
                    checked_at=outcome.at,
                )
            )
    with transaction.atomic():
        CheckResult.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["key", "node"],
            update_fields=[
                "status",
                "message",
                "remedy",
                "data",
                "latency_ms",
                "checked_at",
                "valid_until",
                "since",
                "recent",
                "overruns",
                "quarantined_until",
            ],
        )
        CheckHistory.objects.bulk_create(history)
        if learnt():
            known = {check.key for check in registry()}
            CheckResult.objects.filter(node=node).exclude(key__in=known).delete()


def add_up(seconds: Mapping[str, Mapping[str, float]]) -> None:
    """Add to the day how long each check was in each status.

    Args:
        seconds: by key and status.
    """
    today, node = timezone.now().date(), node_name()
    with transaction.atomic():
        for key, by_status in seconds.items():
            whole = {f"{status}_seconds": round(length) for status, length in by_status.items() if round(length)}
            if not whole:
                continue
            row = CheckDay.objects.filter(key=key, node=node, day=today)
            if not row.update(**{name: F(name) + length for name, length in whole.items()}):
                CheckDay.objects.create(key=key, node=node, day=today, **whole)


def prune_history() -> int:
    """Drop history older than `HISTORY_KEPT`, and results of machines that have been silent for two days."""
    now = timezone.now()
    gone, _ = CheckHistory.objects.filter(checked_at__lt=now - HISTORY_KEPT).delete()
    CheckDay.objects.filter(day__lt=(now - DAYS_KEPT).date()).delete()
    CheckResult.objects.filter(valid_until__lt=now - SILENT).delete()
    Heartbeat.objects.filter(beat_at__lt=now - SILENT).delete()
    return gone
