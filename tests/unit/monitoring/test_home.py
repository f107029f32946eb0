"""The console's home: the past days, what fires, who works when."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from apps.monitoring.models import NANOS, Alert, BudgetPeriod, CheckDay, period_start
from apps.monitoring.services.alert_defaults import RULES, ensure_alerts
from apps.monitoring.services.alerts import create_silence
from apps.monitoring.services.results import node_name
from tests.factories.monitoring import SETUP, used, workspace_budget
from tests.lab.alerts import fire
from tests.people import People

pytestmark = pytest.mark.django_db


def test_home_says_how_it_went_and_what_fires(people: People, portal: Any) -> None:
    ensure_alerts()
    today = timezone.now().date()
    for days, fail in ((0, 0), (1, 600), (2, 0)):
        day = today - dt.timedelta(days=days)
        CheckDay.objects.create(key="database", node=node_name(), day=day, ok_seconds=6000 - fail, fail_seconds=fail)
        CheckDay.objects.create(key="mail", node=node_name(), day=day, fail_seconds=6000)  # not needed to serve
    alert = fire()
    create_silence(
        actor=SETUP, reason="we paint the wall", ends_at=timezone.now() + dt.timedelta(hours=1), subject="no"
    )
    budget = workspace_budget(people.press, limit_cost=Decimal(1))
    start = period_start(budget.period, timezone.now())
    BudgetPeriod.objects.create(budget=budget, starts_on=start, spent_nanos=2 * NANOS)
    used(people.press, people.wanda)
    page = portal("otto").get("/admin/").content.decode()
    assert str(alert.pk) in page
    assert "96.67 %" in page
    assert page.count("strip-fail") == 1
    assert page.count("strip-none") == 87
    assert "we paint the wall" in page
    assert page.count("heat-4") == 1
    assert f"{len(RULES)} not proven" in page
    assert "200 %" in page


def test_home_without_a_past(portal: Any) -> None:
    page = portal("ada").get("/admin/").content.decode()
    assert "strip-" not in page
    assert "last backup" in page


def test_home_names_the_worst_first(people: People, portal: Any) -> None:
    now = timezone.now()
    for number, severity in enumerate(["info"] * 3 + ["warning"] * 3 + ["critical"]):
        Alert.objects.create(
            title=f"{severity} {number}",
            fingerprint=f"{number}",
            severity=severity,
            state="firing",
            begun_at=now + dt.timedelta(seconds=number),
        )
    page = portal("otto").get("/admin/").content.decode()
    places = [page.find(word) for word in ("critical 6", "warning 3", "info 0")]
    assert -1 not in places
    assert places == sorted(places)
