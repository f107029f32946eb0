"""Reading what the checks found."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.monitoring.models import CheckHistory, CheckResult
from apps.users.selectors.access import Actor, require


def check_results(actor: Actor) -> QuerySet[CheckResult]:
    """The newest result of every check on every machine."""
    require(actor, "monitoring.read")
    return CheckResult.objects.order_by("key", "node")


def check_history(actor: Actor, key: str) -> QuerySet[CheckHistory]:
    """The past of a check, newest first."""
    require(actor, "monitoring.read")
    return CheckHistory.objects.filter(key=key).order_by("-checked_at", "-id")
