"""What parameters of the monitoring app name."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.utils import timezone

from apps.monitoring.models import CheckHistory, CheckResult, Heartbeat, UsageRow
from apps.monitoring.services.usage import Estimate, reserve
from tests.factories.monitoring import used, workspace_budget


def _budget(people):
    return workspace_budget(people.press, limit_cost=Decimal(5)).pk


def _result(people):
    return CheckResult.objects.create(key="database", node="here", status="ok", valid_until=timezone.now()).pk


def _reservation(people):
    return reserve(
        subject=f"call:{uuid.uuid4()}",
        workspace_id=people.press.pk,
        user_id=people.wanda.pk,
        token_id=None,
        estimate=Estimate(),
    )


BODIES = {
    "POST api/v1/budgets": lambda people: {
        "scope": "workspace",
        "scope_id": str(people.press.pk),
        "period": "day",
        "limit_cost": "5",
    },
    "PATCH api/v1/budgets/<uuid:budget_id>": lambda people: {"limit_cost": "7"},
    "POST admin/monitoring/budget/add/": lambda people: {
        "scope": "workspace",
        "scope_id": str(people.press.pk),
        "period": "day",
        "limit_cost": "5",
        "currency": "USD",
        "warn_at": "80",
    },
    "POST admin/monitoring/budget/<path:object_id>/change/": lambda people: {
        "limit_cost": "7",
        "currency": "USD",
        "warn_at": "80",
    },
    "POST admin/monitoring/budget/<path:object_id>/delete/": lambda people: {"post": "yes"},
}
THINGS = {
    "budget_id": _budget,
    "check_key": lambda people: "database",
    "monitoring.budget": _budget,
    "monitoring.checkresult": _result,
    "monitoring.checkhistory": lambda people: CheckHistory.objects.create(key="database", node="here", status="ok").pk,
    "monitoring.heartbeat": lambda people: Heartbeat.objects.create(part="worker", node="here").pk,
    "monitoring.usagerow": lambda people: UsageRow.objects.get(subject=used(people.press, people.wanda)).pk,
    "monitoring.reservation": _reservation,
}
