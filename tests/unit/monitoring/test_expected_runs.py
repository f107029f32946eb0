"""Heartbeats: those that come in from outside, and the one that goes out."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from aiwriter.core.errors import AppError, InvalidInput, NotFound, PermissionDenied
from apps.monitoring.models import Alert, AlertRule, ExpectedRun, RunReport
from apps.monitoring.services import expected_runs
from apps.monitoring.services.alerting import evaluate
from apps.monitoring.services.heartbeat_out import HeartbeatOut
from apps.monitoring.services.rules import start_drill
from tests.fakes.receiver import Receiver
from tests.people import People

pytestmark = pytest.mark.django_db

AT = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)


def _seconds(seconds: float) -> dt.datetime:
    return AT + dt.timedelta(seconds=seconds)


def test_how_it_stands() -> None:
    run = ExpectedRun(slug="r", title="R", period_seconds=600, grace_seconds=60)
    assert run.state_at(AT) == "new"
    run.reported_at = AT
    assert [run.state_at(_seconds(s)) for s in (599, 601, 661)] == ["up", "late", "missing"]
    run.failed = True
    assert run.state_at(_seconds(1)) == "failing"
    run.started_at = _seconds(10)
    assert [run.state_at(_seconds(s)) for s in (20, 71)] == ["running", "missing"]
    run.enabled = False
    assert run.state_at(_seconds(9999)) == "paused"
    nightly = ExpectedRun(slug="n", title="N", cron="15 3 * * *", grace_seconds=600, reported_at=AT)
    assert nightly.due_at == dt.datetime(2026, 3, 5, 3, 15, tzinfo=dt.UTC)


def test_silence_and_failure_are_told_once_and_end_by_themselves(defaults: People) -> None:
    otto = defaults.actor("otto")
    run = expected_runs.create_expected_run(
        actor=otto, slug="nightly", title="Nightly", period_seconds=60, grace_seconds=30
    )
    now = run.created_at
    evaluate(now=now + dt.timedelta(days=2))
    assert not Alert.objects.exists()  # it has never reported
    expected_runs.report(actor=otto, slug="nightly", kind="ping")
    run.refresh_from_db()
    assert run.reported_at
    evaluate(now=run.reported_at + dt.timedelta(seconds=89))
    assert not Alert.objects.exists()
    # A round is five seconds: missed is told within grace and a round.
    evaluate(now=run.reported_at + dt.timedelta(seconds=91))
    alert = Alert.objects.get()
    assert (alert.state, alert.subject) == ("firing", "nightly")
    expected_runs.report(actor=otto, slug="nightly", kind="ping")
    evaluate(now=run.reported_at + dt.timedelta(seconds=1))
    alert.refresh_from_db()
    assert alert.state == "resolved"
    expected_runs.report(actor=otto, slug="nightly", kind="start")
    secret = "token=abcdef123456"
    expected_runs.report(actor=otto, slug="nightly", kind="ping", exit_code=3, log="x" * 20_000 + secret)
    last = RunReport.objects.first()
    assert last
    assert (last.kind, last.exit_code, len(last.log) < 10_001, "abcdef" in last.log) == ("fail", 3, True, False)
    assert last.took_seconds is not None
    evaluate(now=dt.datetime.now(dt.UTC))
    assert "exit code 3" in Alert.objects.get(state="firing").summary
    rule = AlertRule.objects.get(slug="run-missing")
    assert start_drill(actor=otto, rule_id=rule.pk).drill


def test_what_cannot_be_expected(people: People) -> None:
    otto = people.actor("otto")
    for values, field in (
        ({}, "period_seconds"),
        ({"cron": "every day"}, "cron"),
        ({"cron": "99 3 * * *"}, "cron"),
        ({"period_seconds": 5}, "period_seconds"),
    ):
        with pytest.raises(InvalidInput) as caught:
            expected_runs.create_expected_run(actor=otto, slug="a", title="A", **values)
        assert caught.value.details[0].field == field
    with pytest.raises(PermissionDenied):
        expected_runs.report(actor=people.actor("wanda"), slug="a", kind="ping")
    with pytest.raises(NotFound):
        expected_runs.report(actor=otto, slug="a", kind="ping")


def test_the_page_and_the_api(people: People, portal: Any, api: Any) -> None:
    client = api("otto")
    made = client.post("/api/v1/heartbeats", {"slug": "nightly", "title": "Nightly", "cron": "15  3 * * *"})
    assert made.status_code == 201, made.content
    assert made.json()["cron"] == "15 3 * * *"
    address = "/api/v1/heartbeats/nightly"
    assert client.post(f"{address}/start").json() == {"state": "running"}
    assert client.post(f"{address}/log", {"log": "half"}).json() == {"state": "running"}
    assert client.post(f"{address}/ping", {"exit_code": 0}).json() == {"state": "up"}
    assert client.post(f"{address}/fail", {"log": "no space"}).json() == {"state": "failing"}
    path = f"/api/v1/heartbeats/{made.json()['id']}"
    assert len(client.get(f"{path}/reports").json()["data"]) == 4
    page = portal("otto").get(f"/admin/monitoring/expectedrun/{made.json()['id']}/change/").content.decode()
    assert "no space" in page
    assert f"{address}/ping" in page
    assert client.patch(path, {"period_seconds": 60}).json()["cron"] == ""
    assert client.delete(path).status_code == 204


def test_the_one_that_goes_out_is_sent_while_the_portal_is_ready(receiver: Receiver, settings: Any) -> None:
    turn = SimpleNamespace(check=SimpleNamespace(required=True), status="ok")
    watch: Any = SimpleNamespace(turns={"database": turn})
    out = HeartbeatOut(watch)
    assert not out.beat()
    settings.HEARTBEAT_URL = f"{receiver.url}/secret-key"
    assert out.beat()
    turn.status = "fail"
    assert not out.beat()
    assert len(receiver.got) == 1
    turn.status = "ok"
    settings.HEARTBEAT_URL = "http://127.0.0.1:9/secret-key"
    with pytest.raises(AppError) as caught:
        out.beat()
    assert "secret-key" not in str(caught.value)
