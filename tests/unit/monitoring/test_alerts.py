"""From a fault to a message: told once, gathered, silenced, repeated, over by itself; drills prove rules."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from aiwriter.core.errors import InvalidInput, PermissionDenied
from aiwriter.core.signatures import new_secret, sign
from apps.monitoring.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertRoute,
    AlertRule,
    Leadership,
)
from apps.monitoring.services import alerts, channels, rules, telling
from apps.monitoring.services.alerting import evaluate
from apps.monitoring.services.keeping import keep
from apps.monitoring.services.measuring import Figure
from apps.users.models import AuditEvent, Notification
from apps.users.services.audit import record
from tests.factories.monitoring import SETUP
from tests.fakes.receiver import Receiver
from tests.lab.alerts import NOW, after, arrive, channel, fire, says
from tests.people import People

pytestmark = pytest.mark.django_db


class TestFromFaultToMessage:
    def test_a_fault_is_one_alert_one_message_and_ends_by_itself(self, defaults: People) -> None:
        says("mail", "fail")
        for second in (0, 5, 10, 15, 20):
            evaluate(now=after(second))
        alert = Alert.objects.get(state="firing")
        assert (alert.title, alert.subject, alert.remedy) == ("A check fails", "mail on here", "mend it")
        arrive()
        (told,) = Notification.objects.filter(user=defaults.otto, kind="alert.firing")
        assert "mail is fail" in told.body
        assert str(alert.pk) in told.link
        says("mail", "ok")
        for second in (25, 40, 60):
            evaluate(now=after(second))
        alert.refresh_from_db()
        assert alert.state == "resolved"
        arrive()
        assert Notification.objects.filter(user=defaults.otto, kind="alert.resolved").count() == 1
        assert AlertDelivery.objects.filter(state="delivered").count() == 2
        assert "left for 1 people" in AlertDelivery.objects.first().receipt  # type: ignore[union-attr]

    def test_a_short_fault_is_told_to_nobody(self, defaults: People) -> None:
        says("mail", "fail")
        evaluate(now=after(0))
        says("mail", "ok")
        evaluate(now=after(5))
        assert not Alert.objects.exists()

    def test_what_fails_because_of_the_database_is_not_told(self, defaults: People) -> None:
        for key in ("database", "queue", "jobs", "mail"):
            says(key, "fail")
        says("queue", "fail", node="there")
        for second in (0, 10, 20):
            evaluate(now=after(second))
        firing = Alert.objects.filter(state="firing", rule__slug="check-fails")
        assert sorted(firing.values_list("subject", flat=True)) == ["database on here", "queue on there"]
        assert firing.get(subject="database on here").severity == "critical"

    def test_alerts_of_one_moment_are_one_message(self, defaults: People) -> None:
        for key in ("queue", "jobs", "mail"):
            says(key, "fail")
        for second in (0, 10):
            evaluate(now=after(second))
        assert AlertDelivery.objects.count() == 1
        assert AlertDelivery.objects.get().alerts.count() == 3
        arrive()
        assert "and 2 more" in Notification.objects.get(kind="alert.firing").title

    def test_old_results_are_silence_and_silence_is_told(self, defaults: People) -> None:
        says("mail", "ok", lasts=-1)
        for second in (0, 60, 125):
            evaluate(now=after(second))
        assert Alert.objects.get(state="firing").title == "Checks have not reported"

    def test_a_known_fault_does_not_end_because_nothing_is_known(self, defaults: People) -> None:
        says("mail", "fail")
        for second in (0, 10):
            evaluate(now=after(second))
        says("mail", "fail", lasts=-1)
        evaluate(now=after(100))
        assert Alert.objects.filter(state="firing", rule__slug="check-fails").count() == 1

    def test_only_one_watch_judges(self, defaults: People) -> None:
        says("mail", "fail")
        Leadership.objects.create(name="alerts", holder="other:1", until=timezone.now() + dt.timedelta(seconds=30))
        assert evaluate(now=after(0)) == 0
        assert not Alert.objects.exists()
        Leadership.objects.update(until=timezone.now() - dt.timedelta(seconds=1))
        evaluate(now=after(5))
        assert Alert.objects.count() == 1

    def test_it_is_told_again_until_somebody_takes_it_up(self, defaults: People) -> None:
        says("mail", "fail", lasts=90_000)
        for second in (0, 10):
            evaluate(now=after(second))
        arrive()
        AlertDelivery.objects.update(created_at=NOW - dt.timedelta(hours=13))
        evaluate(now=after(20))
        assert AlertDelivery.objects.count() == 2
        alert = Alert.objects.get()
        alerts.acknowledge(actor=defaults.actor("otto"), alert_id=alert.pk)
        AlertDelivery.objects.update(created_at=NOW - dt.timedelta(hours=13))
        evaluate(now=after(30))
        assert AlertDelivery.objects.count() == 2
        with pytest.raises(PermissionDenied):
            alerts.acknowledge(actor=defaults.actor("ada"), alert_id=alert.pk)

    def test_a_rule_that_is_switched_off_ends_its_alerts(self, defaults: People) -> None:
        says("mail", "fail")
        for second in (0, 10):
            evaluate(now=after(second))
        rule = AlertRule.objects.get(slug="check-fails")
        rules.update_rule(actor=defaults.actor("otto"), rule_id=rule.pk, enabled=False)
        evaluate(now=after(20))
        assert Alert.objects.get().state == "resolved"


class TestOtherSources:
    def test_figures(self, defaults: People) -> None:
        AlertRule.objects.exclude(slug="request-errors").update(enabled=False)
        keep([Figure("request_errors", "web", 6.0)], at=NOW.timestamp() - 60)
        evaluate(now=NOW)
        assert not Alert.objects.exists()
        keep([Figure("request_errors", "web", 6.0), Figure("request_errors", "web a/", 99.0)], at=NOW.timestamp() - 120)
        evaluate(now=NOW)
        alert = Alert.objects.get(state="firing")
        assert (alert.value, alert.subject) == (12.0, "web")
        evaluate(now=after(600))
        evaluate(now=after(730))
        assert Alert.objects.get().state == "resolved"

    def test_events(self, defaults: People) -> None:
        AlertRule.objects.exclude(slug="sign-ins-refused").update(enabled=False)
        for _ in range(21):
            record(SETUP, "session.refused", outcome="denied")
        evaluate(now=timezone.now())
        assert Alert.objects.get(state="firing").value == 21


class TestSilences:
    def test_what_is_silenced_is_judged_and_told_when_it_ends(self, defaults: People) -> None:
        otto = defaults.actor("otto")
        silence = alerts.create_silence(
            actor=otto, reason="we move", starts_at=NOW, ends_at=after(7200), subject="MAIL"
        )
        says("mail", "fail")
        says("queue", "fail")
        for second in (1, 12):
            evaluate(now=after(second))
        assert Alert.objects.get(subject="mail on here").silenced
        assert list(AlertDelivery.objects.get().alerts.values_list("subject", flat=True)) == ["queue on here"]
        alerts.end_silence(actor=otto, silence_id=silence.pk)
        evaluate(now=timezone.now() + dt.timedelta(seconds=20))
        assert not Alert.objects.get(subject="mail on here").silenced
        assert AlertDelivery.objects.filter(alerts__subject="mail on here").exists()
        assert AuditEvent.objects.filter(action__in=("silence.created", "silence.ended")).count() == 2

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"reason": " "}, "reason"),
            ({"ends_at": timezone.now() + dt.timedelta(days=8)}, "ends_at"),
            ({"ends_at": timezone.now() - dt.timedelta(hours=1)}, "ends_at"),
            ({"kind": "forever"}, "kind"),
        ],
    )
    def test_what_is_no_silence(self, defaults: People, change: dict[str, Any], field: str) -> None:
        values = {"reason": "r", "ends_at": timezone.now() + dt.timedelta(hours=1), **change}
        with pytest.raises(InvalidInput) as caught:
            alerts.create_silence(actor=defaults.actor("otto"), **values)
        assert caught.value.details[0].field == field


class TestChannels:
    def test_a_webhook_gets_what_alertmanager_sends_signed(self, defaults: People, receiver: Receiver) -> None:
        AlertRoute.objects.all().delete()
        secret = new_secret()
        channel("webhook", receiver.url, secret=secret)
        alert = fire()
        arrive()
        ((headers, body),) = receiver.got
        told = json.loads(body)
        assert (told["version"], told["status"]) == ("4", "firing")
        assert told["alerts"][0]["labels"] == {
            "alertname": "check-fails",
            "severity": "warning",
            "subject": "mail on here",
        }
        assert alert.fingerprint.startswith(told["alerts"][0]["fingerprint"])
        signed = sign(secret, message_id=headers["webhook-id"], timestamp=int(headers["webhook-timestamp"]), body=body)
        assert headers["webhook-signature"] == signed
        row = AlertDelivery.objects.get()
        assert (row.state, row.receipt) == ("delivered", "200 thanks")
        stored = AlertChannel.objects.get(kind="webhook")
        assert receiver.url not in f"{stored.__dict__}"

    def test_what_does_not_arrive_is_repeated_and_told_another_way(self, defaults: People, receiver: Receiver) -> None:
        AlertRoute.objects.all().delete()
        channel("slack", receiver.url)
        fire()
        receiver.status = 503
        for _ in range(3):
            arrive()
        row = AlertDelivery.objects.get()
        assert (row.state, row.attempts, len(row.tries)) == ("queued", 3, 3)
        assert "503" in row.error
        assert "/hook" not in row.error
        other = Notification.objects.get(user=defaults.otto, kind="alert.undelivered")
        assert "mail is fail" in other.body
        receiver.status = 200
        arrive()
        row.refresh_from_db()
        assert row.state == "delivered"
        assert "*A check fails*" in json.loads(receiver.got[-1][1])["text"]
        assert AlertChannel.objects.get(kind="slack").failing_since is None

    def test_an_error_does_not_tell_the_address(self, defaults: People) -> None:
        AlertRoute.objects.all().delete()
        channel("webhook", "https://256.1.1.1/services/T0/BKEY")
        fire()
        arrive()
        row = AlertDelivery.objects.get()
        assert row.error
        assert "BKEY" not in f"{row.error} {row.tries}"

    def test_mail(self, defaults: People) -> None:
        channel("email", "ops@example.org, it@example.org")
        fire()
        arrive()
        (sent,) = mail.outbox
        assert sent.to == ["ops@example.org", "it@example.org"]
        assert sent.subject == "[AI-Writer] A check fails"
        assert "mend it" in sent.body

    def test_a_killed_sender_is_followed_by_another_and_nothing_goes_twice(
        self, defaults: People, receiver: Receiver
    ) -> None:
        AlertRoute.objects.all().delete()
        channel("webhook", receiver.url)
        fire()
        row = AlertDelivery.objects.get()
        assert AlertDelivery.objects.claim(row.pk, lease=telling.LEASE, to_state="running") == 1
        assert arrive() == 0
        AlertDelivery.objects.update(lease_until=NOW - dt.timedelta(seconds=1), next_try_at=NOW)
        assert telling.deliver_due() == 1
        assert telling.deliver_due() == 0
        assert len(receiver.got) == 1

    @pytest.mark.parametrize(
        ("kind", "address", "field"),
        [
            ("email", "nobody", "address"),
            ("email", "", "address"),
            ("webhook", "ftp://example.org", "address"),
            ("webhook", "http://10.0.0.1/x", "address"),
            ("webhook", "https://user:secret@example.org/", "address"),
            ("pigeon", "", "kind"),
        ],
    )
    def test_what_is_no_channel(self, kind: str, address: str, field: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            channels.create_channel(actor=SETUP, name="x", kind=kind, address=address)
        assert caught.value.details[0].field == field

    @pytest.mark.parametrize("secret", ["plain", "whsec_", "whsec_abc"])
    def test_what_cannot_sign(self, secret: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            channels.create_channel(
                actor=SETUP, name="x", kind="webhook", address="https://hooks.example.org/a", secret=secret
            )
        assert caught.value.details[0].field == "secret"

    def test_a_route_chooses_by_severity_and_name(self, defaults: People, receiver: Receiver) -> None:
        AlertRoute.objects.all().delete()
        made = channels.create_channel(actor=SETUP, name="pager", kind="webhook", address=receiver.url)
        route = channels.create_route(actor=SETUP, channel_id=made.pk, least_severity="critical")
        fire()
        assert not AlertDelivery.objects.exists()
        channels.update_route(actor=SETUP, route_id=route.pk, least_severity="info", rules="model-*, check-f*")
        evaluate(now=after(20))
        assert AlertDelivery.objects.count() == 1
