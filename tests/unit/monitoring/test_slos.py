"""Objectives: what is counted, what is left of the budget, and when it burns too fast."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.monitoring.models import FIVE_MINUTES, HOUR, MINUTE, Alert, MetricPoint, MetricSeries, Slo
from apps.monitoring.selectors.slos import burn_history, counted, counted_all, standing
from apps.monitoring.services import slos
from apps.monitoring.services.alerting import evaluate
from apps.monitoring.services.rules import start_drill
from apps.users.models import AuditEvent
from tests.lab.alerts import NOW
from tests.people import People

pytestmark = pytest.mark.django_db


def _measured(name: str, label: str, minutes: int, value: float, *, step: int = MINUTE, ago: int = 0) -> None:
    """A figure that was `value` in each step of so many minutes that ended `ago` seconds ago."""
    series, _ = MetricSeries.objects.get_or_create(name=name, label=label, node="here")
    end = int(NOW.timestamp() - ago) // step * step
    MetricPoint.objects.bulk_create(
        MetricPoint(series=series, step=step, at=end - n * step, count=step // 60, total=value, low=value, high=value)
        for n in range(1, minutes * 60 // step + 1)
    )


def test_all_windows_are_counted_from_what_is_kept_of_them() -> None:
    slo = Slo.objects.create(slug="s", title="S", source="requests", label="web")
    _measured("requests", "web", 20 * 24 * 60, 6000.0, step=HOUR, ago=86400 * 5)
    _measured("requests", "web", 40, 100.0)
    _measured("request_errors", "web", 10, 10.0)
    _measured("requests", "api", 40, 9999.0)
    hour = counted(slo, 3600, NOW)
    assert (hour.every, hour.bad) == (4000.0, 100.0)
    assert hour.burn(slo) == pytest.approx(25.0)
    # The hours of long ago, and the minutes that are not rolled up yet.
    whole = counted(slo, 30 * 86400, NOW)
    assert (whole.every, whole.bad) == (20 * 24 * 6000.0 + 4000.0, 100.0)
    stands = standing(slo, NOW)
    assert stands.left == pytest.approx(100 * (1 - 100 / (whole.every * 0.001)))
    assert stands.burns[0].too_fast


def test_slow_minutes_use_the_budget_up() -> None:
    slo = Slo.objects.create(slug="s", title="S", source="slow", label="web", objective=90, slow_seconds=2)
    _measured("request_p95_seconds", "web", 20, 1.0)
    _measured("request_p95_seconds", "web", 5, 3.0, ago=1300)
    found = counted(slo, 3600, NOW)
    assert (found.every, found.bad) == (25.0, 5.0)
    _measured("request_p95_seconds", "web", 60, 15.0, step=FIVE_MINUTES, ago=3600)
    assert any(burn and burn > 9 for _, burn in burn_history(slo, NOW))


def test_several_objectives_are_counted_at_once_and_each_for_itself() -> None:
    each = [
        Slo.objects.create(slug="web", title="W", source="requests", label="web"),
        Slo.objects.create(slug="api", title="A", source="requests", label="api"),
        Slo.objects.create(slug="tasks", title="T", source="tasks", label="all"),
        Slo.objects.create(slug="fast", title="F", source="slow", label="web", slow_seconds=2),
        Slo.objects.create(slug="faster", title="G", source="slow", label="web", slow_seconds=0.5),
    ]
    _measured("requests", "web", 40, 100.0)
    _measured("request_errors", "web", 10, 10.0)
    _measured("requests", "api", 20, 7.0)
    _measured("request_errors", "all", 20, 7.0)
    _measured("request_p95_seconds", "web", 20, 1.0)
    _measured("request_p95_seconds", "api", 20, 9.0)
    for seconds in (3600, 300, 3 * 86400):
        alone = {slo.slug: counted(slo, seconds, NOW) for slo in each}
        assert counted_all(each, seconds, NOW) == alone
    hour = counted_all(each, 3600, NOW)
    assert {slug: (found.every, found.bad) for slug, found in hour.items()} == {
        "web": (4000.0, 100.0),
        "api": (140.0, 0.0),
        "tasks": (0.0, 0.0),
        "fast": (20.0, 0.0),
        "faster": (20.0, 20.0),
    }


def test_a_round_asks_no_more_for_many_objectives_than_for_one(defaults: People) -> None:
    slos.ensure_slos()
    evaluate(now=NOW)
    with CaptureQueriesContext(connection) as some:
        evaluate(now=NOW + dt.timedelta(seconds=5))
    for number in range(5):
        Slo.objects.create(slug=f"more-{number}", title="M", source="requests", label="api")
    with CaptureQueriesContext(connection) as many:
        evaluate(now=NOW + dt.timedelta(seconds=10))
    assert len(many) == len(some)


def test_a_budget_that_burns_fast_fires_at_once_and_a_slow_one_later(defaults: People) -> None:
    slos.ensure_slos()
    _measured("requests", "web", 3 * 24 * 60, 500.0, step=FIVE_MINUTES, ago=360)
    # 0.3 % for three days: too much to last, and nothing to get up for.
    _measured("request_errors", "web", 3 * 24 * 60, 1.5, step=FIVE_MINUTES, ago=360)
    _measured("requests", "web", 380, 100.0)
    _measured("request_errors", "web", 380, 0.3)
    evaluate(now=NOW)
    assert [a.rule.slug for a in Alert.objects.filter(state="firing")] == ["budget-burns-slowly"]  # type: ignore[union-attr]
    MetricPoint.objects.filter(series__name="request_errors", step=MINUTE, at__gte=NOW.timestamp() - 3600).update(
        total=2.0
    )
    evaluate(now=NOW + dt.timedelta(seconds=5))
    firing = {a.rule.slug: a for a in Alert.objects.filter(state="firing")}  # type: ignore[union-attr]
    assert set(firing) == {"budget-burns-slowly", "budget-burns-fast"}
    assert firing["budget-burns-fast"].severity == "critical"
    # Three of ten at night are 30 %, but three.
    Alert.objects.all().delete()
    MetricPoint.objects.filter(series__label="web").delete()
    _measured("requests", "web", 60, 0.1)
    _measured("request_errors", "web", 60, 0.05)
    evaluate(now=NOW + dt.timedelta(seconds=10))
    assert not Alert.objects.exists()


def test_a_rule_of_budgets_can_be_drilled(defaults: People) -> None:
    from apps.monitoring.models import AlertRule

    rule = AlertRule.objects.get(slug="budget-burns-slowly")
    assert start_drill(actor=defaults.actor("otto"), rule_id=rule.pk).drill


def test_the_page_and_the_api(people: People, portal: Any, api: Any) -> None:
    slos.ensure_slos()
    _measured("requests", "web", 40, 100.0)
    _measured("request_errors", "web", 10, 10.0)
    otto = portal("otto")
    assert "Pages are answered" in otto.get("/admin/monitoring/slo/").content.decode()
    slo = Slo.objects.get(slug="web")
    shown = otto.get(f"/admin/monitoring/slo/{slo.pk}/change/").content.decode()
    assert "too fast" in shown
    client = api("otto")
    made = client.post("/api/v1/slos", {"slug": "mine", "title": "Mine", "source": "tasks", "objective": 99.5})
    assert made.status_code == 201, made.content
    path = f"/api/v1/slos/{made.json()['id']}"
    assert client.patch(path, {"objective": 95}).json()["objective"] == 95
    assert client.patch(path, {"objective": 30}).status_code == 400
    listed = {each["slug"]: each for each in api("ada").get("/api/v1/slos").json()["data"]}
    assert listed["web"]["bad"] == 100
    assert client.delete(path).status_code == 204
    assert {"slo.created", "slo.updated", "slo.deleted"} <= set(AuditEvent.objects.values_list("action", flat=True))
    with pytest.raises(PermissionDenied):
        slos.update_slo(actor=people.actor("ada"), slo_id=slo.pk, enabled=False)
    with pytest.raises(Conflict):
        slos.create_slo(actor=people.actor("otto"), slug="web", title="x", source="tasks")
    with pytest.raises(InvalidInput):
        slos.create_slo(actor=people.actor("otto"), slug="n", title="x", source="requests", label="all")
