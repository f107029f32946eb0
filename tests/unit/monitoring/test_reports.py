"""Scheduled reports: the right days, the same figures everywhere, each recipient once."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.monitoring.models import Alert, AlertChannel, CheckDay, ErrorDay, ErrorGroup, Incident, ReportRun, UsageRow
from apps.monitoring.selectors.reports import told_of
from apps.monitoring.services import report_sending, reports
from apps.monitoring.services.report_figures import figures
from apps.users.models import AuditEvent, Notification
from tests.fakes.receiver import Receiver
from tests.lab.alerts import channel
from tests.people import People

pytestmark = pytest.mark.django_db
WEEK = dt.timedelta(days=7)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("period", "now", "since", "until", "due"),
    [
        ("week", "2026-11-26 13:00", "2026-11-16", "2026-11-23", "2026-11-30 06:00"),
        ("week", "2026-11-23 05:59", "2026-11-16", "2026-11-23", "2026-11-23 06:00"),
        ("week", "2026-11-23 06:00", "2026-11-16", "2026-11-23", "2026-11-30 06:00"),
        ("month", "2026-03-31 23:59", "2026-02-01", "2026-03-01", "2026-04-01 06:00"),
        ("month", "2026-12-15 00:00", "2026-11-01", "2026-12-01", "2027-01-01 06:00"),
        ("month", "2026-01-01 06:00", "2025-12-01", "2026-01-01", "2026-02-01 06:00"),
    ],
)
def test_the_calendar(period: str, now: str, since: str, until: str, due: str) -> None:
    assert reports.span_before(period, at(now)) == (at(since), at(until))
    assert reports.next_after(period, 6, at(now)) == at(due)


def test_the_figures_are_those_of_the_days_and_of_no_other() -> None:
    since, until = reports.span_before("week", timezone.now())
    for day, fail in ((since, 60), (until - dt.timedelta(days=1), 26), (until, 5000), (since - WEEK, 5000)):
        CheckDay.objects.create(key="database", node="here", day=day.date(), ok_seconds=86340, fail_seconds=fail)
    for number, (moment, cost) in enumerate(
        ((since, "1.5"), (until - WEEK / 70, "2"), (until, "9"), (since - WEEK / 7, "4"))
    ):
        UsageRow.objects.create(
            subject=f"call:{number}", purpose="write", model="large", input_tokens=10, output_tokens=20,
            cost=Decimal(cost), currency="EUR", created_at=moment,
        )  # fmt: skip
    Incident.objects.create(title="No light", opened_at=since, resolved_at=since + dt.timedelta(minutes=90))
    Alert.objects.create(fingerprint="a", title="t", severity="critical", state="resolved", fired_at=since)
    Alert.objects.create(fingerprint="b", title="t", severity="critical", state="resolved", fired_at=since, drill=True)
    group = ErrorGroup.objects.create(mark="m", kind="ValueError", place="save", first_seen_at=since)
    ErrorDay.objects.create(group=group, day=since.date(), count=12)
    made = figures(since, until)
    told = {row["label"]: row for section in made["sections"] for row in section["rows"]}
    assert told["Database"]["value"] == "99.950 %, 1 min not"
    assert told["Alerts that fired"]["value"] == "1 critical"
    assert "over after 1 h 30 min" in told[f"{since:%Y-%m-%d %H:%M} No light"]["value"]
    assert (told["Calls of models"]["value"], told["Calls of models"]["before"]) == ("2", "1")
    assert (told["Cost"]["value"], told["Cost"]["before"]) == ("3.50 EUR", "4.00 EUR")
    assert told["ValueError in save"]["value"] == "12 times"
    assert told["Backups"]["look"] == "fail"
    # Every figure stands in both parts of the mail.
    plain, html = report_sending.as_text("Weekly", made), report_sending.as_html("Weekly", made)
    assert [row["value"] for row in told.values() if row["value"] not in plain] == []
    assert [row["value"] for row in told.values() if row["value"] not in html] == []
    assert "<script" not in html


class TestSending:
    def test_each_gets_it_once_however_often_it_is_tried(self, people: People, receiver: Receiver) -> None:
        hook = channel("webhook", receiver.url)
        made = reports.create_schedule(
            actor=people.actor("otto"), name="Weekly", people=[people.ada.pk], channels=[hook.pk]
        )
        now = made.next_at + dt.timedelta(minutes=1)
        receiver.status = 503
        assert reports.queue_due(now=made.next_at - dt.timedelta(minutes=1)) == 0
        assert [reports.queue_due(now=now) for _ in range(2)] == [1, 0]
        run = ReportRun.objects.get()
        assert run.until - run.since == WEEK
        assert report_sending.send_run(run.pk)
        (sent,) = mail.outbox
        assert sent.to == [people.ada.email]
        assert sent.alternatives[0][1] == "text/html"  # type: ignore[attr-defined]
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("queued", 1)
        assert "1 of 2 were not reached: It answered 503" in run.error
        receiver.status = 200
        assert report_sending.send_run(run.pk)
        assert not report_sending.send_run(run.pk)
        run.refresh_from_db()
        assert run.state == "delivered"
        assert len(mail.outbox) == 1
        body = json.loads(receiver.got[-1][1])
        assert body["sections"] == run.figures["sections"]
        assert {each.name: each.ok for each in told_of(run)} == {str(people.ada): True, "webhook": True}
        assert AuditEvent.objects.filter(action="report.delivered").count() == 1

    def test_a_watch_that_was_killed_goes_on_behind_whom_it_told(self, people: People) -> None:
        made = reports.create_schedule(actor=people.actor("otto"), name="W", people=[people.ada.pk, people.otto.pk])
        run = reports.send_report(actor=people.actor("otto"), schedule_id=made.pk)
        told = {f"user:{people.ada.pk}": {"ok": True, "said": "taken", "at": timezone.now().isoformat()}}
        past = timezone.now() - dt.timedelta(minutes=1)
        ReportRun.objects.filter(pk=run.pk).update(state="running", told=told, lease_until=past, fence=1)
        assert report_sending.send_due() == 1
        assert [sent.to for sent in mail.outbox] == [[people.otto.email]]

    def test_who_may_not_read_any_more_gets_nothing(self, people: People) -> None:
        made = reports.create_schedule(actor=people.actor("otto"), name="W", people=[people.ada.pk])
        people.ada.role_grants.all().delete()
        run = reports.send_report(actor=people.actor("otto"), schedule_id=made.pk)
        report_sending.send_run(run.pk)
        run.refresh_from_db()
        assert (run.state, mail.outbox) == ("delivered", [])
        assert "may not see" in told_of(run)[0].said

    def test_what_is_left_in_the_portal_and_its_note_are_one(
        self, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = reports.create_schedule(actor=people.actor("otto"), name="W", channels=[channel("people", "").pk])
        run = reports.send_report(actor=people.actor("otto"), schedule_id=made.pk)
        leave = report_sending.tell_operators

        def killed(*words: str) -> int:
            leave(*words)
            # Somebody else has taken the job over meanwhile.
            ReportRun.objects.filter(pk=run.pk).update(fence=9)
            return 1

        monkeypatch.setattr(report_sending, "tell_operators", killed)
        assert not report_sending.send_run(run.pk)
        assert not Notification.objects.filter(kind="report").exists()
        monkeypatch.setattr(report_sending, "tell_operators", leave)
        ReportRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - WEEK)
        assert report_sending.send_run(run.pk)
        assert Notification.objects.filter(kind="report", user=people.otto).count() == 1

    def test_when_it_never_arrives_operators_are_told(self, people: People, receiver: Receiver) -> None:
        made = reports.create_schedule(
            actor=people.actor("otto"), name="W", channels=[channel("webhook", receiver.url).pk]
        )
        run = reports.send_report(actor=people.actor("otto"), schedule_id=made.pk)
        receiver.status = 500
        for _ in range(len(report_sending.PAUSES) + 1):
            report_sending.send_run(run.pk)
        run.refresh_from_db()
        assert run.state == "failed"
        assert Notification.objects.filter(kind="report.undelivered", user=people.otto).count() == 1


class TestScheduling:
    def test_what_cannot_be_used_names_its_field(self, people: People) -> None:
        otto = people.actor("otto")
        for values, field in (
            ({}, "people"),
            ({"people": [people.wanda.pk]}, "people"),
            ({"people": [people.ada.pk], "hour": 24}, "hour"),
            ({"people": [people.ada.pk], "period": "day"}, "period"),
            ({"channels": ["0193a000-0000-7000-8000-000000000000"]}, "channels"),
        ):
            with pytest.raises(InvalidInput) as caught:
                reports.create_schedule(actor=otto, name="W", **values)  # type: ignore[arg-type]
            assert caught.value.field == field
        made = reports.create_schedule(actor=otto, name="W", people=[people.ada.pk])
        with pytest.raises(Conflict):
            reports.create_schedule(actor=otto, name="W", people=[people.ada.pk])
        with pytest.raises(PermissionDenied):
            reports.send_report(actor=people.actor("ada"), schedule_id=made.pk)
        changed = reports.update_schedule(actor=otto, schedule_id=made.pk, period="month", hour=9)
        assert (changed.next_at.day, changed.next_at.hour, list(changed.people.all())) == (1, 9, [people.ada])

    def test_who_renames_one_that_is_due_loses_no_week_and_who_switches_one_on_gets_the_next(
        self, people: People
    ) -> None:
        otto = people.actor("otto")
        made = reports.create_schedule(actor=otto, name="W", people=[people.ada.pk])
        due = timezone.now() - dt.timedelta(seconds=5)
        reports.ReportSchedule.objects.filter(pk=made.pk).update(next_at=due)
        same = {"period": "week", "hour": 6, "people": [people.ada.pk], "channels": []}
        reports.update_schedule(actor=otto, schedule_id=made.pk, name="Week", enabled=True, **same)  # type: ignore[arg-type]
        made.refresh_from_db()
        assert (made.name, made.next_at) == ("Week", due)
        reports.update_schedule(actor=otto, schedule_id=made.pk, enabled=False)
        assert reports.update_schedule(actor=otto, schedule_id=made.pk, enabled=True).next_at > timezone.now()

    def test_the_pages(self, people: People, client: Client, settings: Any) -> None:
        client.force_login(people.otto)
        assert people.ada
        assert people.wanda
        assert AlertChannel.objects.count() == 0
        base = "/admin/monitoring/reportschedule/"
        page = client.get(f"{base}add/").content.decode()
        assert str(people.ada) in page
        assert str(people.wanda) not in page  # she may not read it
        form = {"name": "Weekly", "period": "week", "hour": "6", "people": [str(people.ada.pk)], "enabled": "on"}
        client.post(f"{base}add/", form)
        (made,) = reports.ReportSchedule.objects.all()
        preview = client.get(f"{base}{made.pk}/preview/").content.decode()
        assert "Backups and restores" in preview
        assert client.post(f"{base}{made.pk}/send/").status_code == 302
        run = ReportRun.objects.get()
        report_sending.send_run(run.pk)
        shown = client.get(f"/admin/monitoring/reportrun/{run.pk}/change/").content.decode()
        assert str(people.ada) in shown
        assert "taken by" in shown
