"""What the console's home says: first what is wrong, then what is going on, then how much there is left."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.utils import timezone

from aiwriter.console.watching import activity, alerts_and_days, spent_budgets
from aiwriter.core.plots import Bar
from apps.backends.models import BackendProfile, ModelCall
from apps.backups.selectors.status import status_of
from apps.content.models import Generation, Source
from apps.deployments.selectors.deployments import under_way
from apps.deployments.selectors.environments import environments_for
from apps.monitoring.models import CheckResult
from apps.monitoring.selectors.health import check_results
from apps.monitoring.services.checks import learn
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

_SEVERITY = {"fail": 0, "unknown": 1, "warn": 2, "ok": 3}
_LISTED = 6
_DAY = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Check:
    """A health check for showing."""

    title: str
    row: CheckResult

    @property
    def status(self) -> str:
        """What counts now."""
        return self.row.effective_status


@dataclass(frozen=True, slots=True)
class Disk:
    """Room in the data folder, in bytes."""

    total: int
    free: int

    @property
    def used_share(self) -> int:
        """Per cent in use."""
        return round(100 * (self.total - self.free) / self.total) if self.total else 0


def overview(request: HttpRequest) -> dict[str, Any]:
    """Everything that the home page shows to this person; parts that they may not see are left out."""
    actor = actor_of(request)
    found: dict[str, Any] = {}
    if can(actor, "monitoring.read"):
        found |= _health(actor) | _jobs() | {"disk": _disk()} | alerts_and_days(actor) | activity() | spent_budgets()
    if can(actor, "backups.read"):
        found["backups"] = status_of(actor)
    if can(actor, "deployments.read"):
        places = environments_for(actor).prefetch_related(None)
        found |= {"deployments": under_way(actor), "environments": list(places[:_LISTED])}
    if can(actor, "backends.read"):
        found |= {"profiles": list(BackendProfile.objects.order_by("-enabled", "kind", "name")[:12])} | _calls()
    return found


def _health(actor: Actor) -> dict[str, Any]:
    titles = {check.key: check.title for check in learn()}
    checks = [Check(str(titles.get(row.key, row.key)), row) for row in check_results(actor)]
    checks.sort(key=lambda check: (_SEVERITY.get(check.status, 1), check.title))
    worst = checks[0].status if checks else "unknown"
    return {
        "checks": checks,
        "worst": worst,
        "wrong": [check for check in checks if check.status in ("fail", "warn")],
        "silent": [check for check in checks if check.status == "unknown"],
        "checked_at": max((check.row.checked_at for check in checks), default=None),
    }


def _jobs() -> dict[str, Any]:
    since = timezone.now() - _DAY
    # Texts belong to their workspaces: an operator sees that a job runs and why it failed, not what it writes.
    jobs: QuerySet[Generation] = Generation.objects.select_related("workspace").defer("output_markdown", "input")
    counts = jobs.aggregate(
        queued=Count("id", filter=Q(state="queued")),
        running=Count("id", filter=Q(state__in=Generation.HELD_STATES)),
        failed=Count("id", filter=Q(state="failed", updated_at__gte=since)),
        done=Count("id", filter=Q(state="succeeded", updated_at__gte=since)),
    )
    sources = dict(Source.objects.order_by().values_list("state").annotate(Count("id")))
    return {
        "jobs": counts,
        "running": jobs.exclude(state__in=Generation.FINAL_STATES).order_by("created_at")[:_LISTED],
        "failed": jobs.filter(state="failed", updated_at__gte=since).order_by("-updated_at")[:_LISTED],
        "sources": {
            "busy": sum(sources.get(state, 0) for state in ("pending", "parsing", "embedding")),
            "ready": sources.get("ready", 0),
            "failed": sources.get("failed", 0),
        },
    }


def _calls() -> dict[str, Any]:
    """Model calls of the last 24 hours, by the hour."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    since = now - dt.timedelta(hours=23)
    rows = (
        ModelCall.objects.filter(started_at__gte=since)
        .annotate(hour=TruncHour("started_at"))
        .order_by()
        .values("hour")
        .annotate(every=Count("id"), wrong=Count("id", filter=Q(state__in=("failed", "abandoned"))))
    )
    every: Counter[dt.datetime] = Counter()
    failed: Counter[dt.datetime] = Counter()
    for row in rows:
        every[row["hour"]], failed[row["hour"]] = row["every"], row["wrong"]
    hours = [since + dt.timedelta(hours=n) for n in range(24)]
    return {
        "bars": [Bar(hour.strftime("%H:00"), every[hour] - failed[hour], failed[hour]) for hour in hours],
        "calls": sum(every.values()),
        "calls_failed": sum(failed.values()),
        "last_errors": ModelCall.objects.filter(state="failed", started_at__gte=since).order_by("-started_at")[:4],
    }


def _disk() -> Disk | None:
    try:
        usage = shutil.disk_usage(settings.DATA_DIR)
    except OSError:
        return None
    return Disk(usage.total, usage.free)
