"""Keeps what the checks found, and how the parts of the portal show that they live."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from apps.monitoring.models import CheckHistory, CheckResult, Heartbeat
from apps.monitoring.services.checks import Check, Outcome, registry, run_checks

HISTORY_KEPT = dt.timedelta(hours=48)
# An unchanged status is noted this often only: a check every 15 s would fill the table with 11,000 equal rows in 48 h.
_HISTORY_STEP = dt.timedelta(minutes=5)


def node_name() -> str:
    """This machine's name in results and heartbeats."""
    return socket.gethostname()[:120]


def beat(part: str) -> None:
    """Note that a part of the portal ("worker", "scheduler") lives on this machine."""
    Heartbeat.objects.update_or_create(part=part, node=node_name(), defaults={"beat_at": timezone.now()})


def run_due_checks(*, force: bool = False) -> list[Outcome]:
    """Run the checks whose interval is over on this machine, and keep the results.

    Args:
        force: run all of them.
    """
    checks = registry()
    if not force:
        checked = dict(CheckResult.objects.filter(node=node_name()).values_list("key", "checked_at"))
        checks = tuple(c for c in checks if _due(c, checked.get(c.key)))
    outcomes = run_checks(checks)
    store(outcomes)
    return outcomes


def _due(check: Check, last: dt.datetime | None) -> bool:
    # A second of grace: the schedule that calls us has about the same period and arrives a little early or late.
    return last is None or timezone.now() - last >= dt.timedelta(seconds=check.interval - 1)


def store(outcomes: Sequence[Outcome]) -> None:
    """Write results and history, in one transaction."""
    now = timezone.now()
    node = node_name()
    before = {row.key: row for row in CheckResult.objects.filter(node=node)}
    noted = dict(
        CheckHistory.objects.filter(node=node, checked_at__gt=now - _HISTORY_STEP)
        .order_by("checked_at")
        .values_list("key", "checked_at")
    )
    with transaction.atomic():
        for outcome in outcomes:
            result = outcome.result
            old = before.get(outcome.check.key)
            changed = old is None or old.status != result.status
            CheckResult.objects.update_or_create(
                key=outcome.check.key,
                node=node,
                defaults={
                    "status": result.status,
                    "message": result.message,
                    "remedy": result.remedy,
                    "data": dict(result.data),
                    "latency_ms": outcome.latency_ms,
                    "checked_at": now,
                    "valid_until": now + dt.timedelta(seconds=outcome.check.lifetime),
                    "since": now if changed or old is None else old.since,
                },
            )
            if changed or outcome.check.key not in noted:
                CheckHistory.objects.create(
                    key=outcome.check.key,
                    node=node,
                    status=result.status,
                    message=result.message,
                    latency_ms=outcome.latency_ms,
                    checked_at=now,
                )
        known = {check.key for check in registry()}
        CheckResult.objects.filter(node=node).exclude(key__in=known).delete()


def prune_history() -> int:
    """Drop history older than `HISTORY_KEPT`, and results of machines that have been silent for as long."""
    border = timezone.now() - HISTORY_KEPT
    gone, _ = CheckHistory.objects.filter(checked_at__lt=border).delete()
    CheckResult.objects.filter(valid_until__lt=border).delete()
    Heartbeat.objects.filter(beat_at__lt=border).delete()
    return gone
