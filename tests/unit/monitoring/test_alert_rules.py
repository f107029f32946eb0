"""Rules, their drills, alerts from outside, and the pages of all of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.monitoring.models import (
    Alert,
    AlertChannel,
    AlertRoute,
    AlertRule,
)
from apps.monitoring.services import alerts, rules
from apps.monitoring.services.alert_defaults import RULES, ensure_alerts
from apps.monitoring.services.alerting import evaluate
from apps.users.models import AuditEvent, Notification
from tests.fakes.receiver import Receiver
from tests.lab.alerts import after, arrive, channel, fire
from tests.people import People

pytestmark = pytest.mark.django_db


class TestDrills:
    @pytest.mark.parametrize("slug", sorted(RULES))
    def test_every_rule_that_ships_can_be_fired_and_is_proven_then(self, defaults: People, slug: str) -> None:
        AlertRoute.objects.update(least_severity="info")
        rule = AlertRule.objects.get(slug=slug)
        assert not rule.is_proven
        alert = rules.start_drill(actor=defaults.actor("otto"), rule_id=rule.pk)
        arrive()
        rule.refresh_from_db()
        alert.refresh_from_db()
        assert rule.is_proven
        assert alert.state == "resolved"
        assert Notification.objects.get(user=defaults.otto).title.startswith("DRILL: ")
        AlertRule.objects.update(proven_at=timezone.now() - dt.timedelta(days=91))
        rule.refresh_from_db()
        assert not rule.is_proven

    def test_a_drill_that_nobody_gets_proves_nothing(self, defaults: People, receiver: Receiver) -> None:
        otto = defaults.actor("otto")
        rule = AlertRule.objects.get(slug="check-fails")
        AlertRoute.objects.all().delete()
        with pytest.raises(Conflict, match="nobody would be told"):
            rules.start_drill(actor=otto, rule_id=rule.pk)
        assert not Alert.objects.exists()
        channel("webhook", receiver.url)
        receiver.status = 500
        rules.start_drill(actor=otto, rule_id=rule.pk)
        arrive()
        rule.refresh_from_db()
        assert not rule.is_proven
        receiver.status = 200
        arrive()
        rule.refresh_from_db()
        assert rule.is_proven
        rules.update_rule(actor=otto, rule_id=rule.pk, for_seconds=20)
        rule.refresh_from_db()
        assert not rule.is_proven

    def test_a_drill_is_no_alert(self, defaults: People) -> None:
        rule = AlertRule.objects.get(slug="check-fails")
        rules.start_drill(actor=defaults.actor("otto"), rule_id=rule.pk)
        assert evaluate(now=after(0)) == 0
        assert Alert.objects.get().state == "firing"  # the round leaves it alone


class TestRules:
    def test_rules_are_checked_and_recorded(self, defaults: People) -> None:
        otto = defaults.actor("otto")
        rule = rules.create_rule(actor=otto, slug="mine", title="Mine", source="check", subject="disk", level="warn")
        assert AuditEvent.objects.filter(action="alert_rule.created", object_id=str(rule.pk)).exists()
        for change, field in (
            ({"subject": "nothing"}, "subject"),
            ({"source": "event", "subject": "nothing.done"}, "subject"),
            ({"source": "figure", "subject": ""}, "subject"),
            ({"needed": 3, "of_last": 2}, ""),
            ({"severity": "loud"}, "severity"),
        ):
            with pytest.raises(InvalidInput) as caught:
                rules.update_rule(actor=otto, rule_id=rule.pk, **change)
            assert caught.value.details[0].field == field, change
        rules.delete_rule(actor=otto, rule_id=rule.pk)
        with pytest.raises(Conflict, match="ships"):
            rules.delete_rule(actor=otto, rule_id=AlertRule.objects.get(slug="check-fails").pk)
        with pytest.raises(PermissionDenied):
            rules.create_rule(actor=defaults.actor("wanda"), slug="x", title="x", source="check")

    def test_what_somebody_changed_stays(self, defaults: People) -> None:
        AlertRule.objects.filter(slug="model-errors").update(threshold=1)
        AlertChannel.objects.all().delete()
        ensure_alerts()
        assert AlertRule.objects.get(slug="model-errors").threshold == 1
        assert AlertRule.objects.count() == len(RULES)


class TestFromOutside:
    BODY = {
        "version": "4",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "HostDown", "severity": "page", "instance": "db1"},
                "annotations": {"summary": "db1 is down", "description": "start it"},
            }
        ],
    }

    def test_alertmanager_s_alerts_go_our_ways(self, defaults: People) -> None:
        otto = defaults.actor("otto")
        assert alerts.take_in(actor=otto, body=self.BODY) == 1
        assert alerts.take_in(actor=otto, body=self.BODY) == 0
        alert = Alert.objects.get()
        assert (alert.severity, alert.subject, alert.external) == ("critical", "instance=db1", True)
        evaluate(now=after(10))
        assert Alert.objects.get().state == "firing"
        over = {"alerts": [{**self.BODY["alerts"][0], "status": "resolved"}]}  # type: ignore[index,dict-item]
        assert alerts.take_in(actor=otto, body=over) == 1
        arrive()
        assert Notification.objects.filter(user=defaults.otto).count() == 2
        with pytest.raises(InvalidInput):
            alerts.take_in(actor=otto, body={"alerts": "many"})


class TestPages:
    def test_an_alert_shows_who_was_told_and_is_taken_up(self, defaults: People, portal: Any) -> None:
        alert = fire()
        arrive()
        page = portal("ada").get(f"/admin/monitoring/alert/{alert.pk}/change/").content.decode()
        assert "left for 1 people" in page
        assert "I am at it" not in page
        otto = portal("otto")
        assert "I am at it" in otto.get(f"/admin/monitoring/alert/{alert.pk}/change/").content.decode()
        otto.post(f"/admin/monitoring/alert/{alert.pk}/acknowledge/")
        otto.post(f"/admin/monitoring/alert/{alert.pk}/silence/", {"reason": "known", "hours": "4"})
        alert.refresh_from_db()
        assert alert.acknowledged_by == "otto@example.org"
        assert "known" in otto.get("/admin/monitoring/silence/").content.decode()

    def test_a_rule_is_drilled_from_its_page(self, defaults: People, portal: Any) -> None:
        rule = AlertRule.objects.get(slug="check-fails")
        otto = portal("otto")
        page = otto.get(f"/admin/monitoring/alertrule/{rule.pk}/change/").content.decode()
        assert "Fire it for trial" in page
        answer = otto.post(f"/admin/monitoring/alertrule/{rule.pk}/drill/", follow=True).content.decode()
        assert "The drill is on its way" in answer
        assert "unproven" in otto.get("/admin/monitoring/alertrule/").content.decode()
        assert portal("ada").post(f"/admin/monitoring/alertrule/{rule.pk}/drill/").status_code == 403

    def test_a_channel_is_set_up_and_its_address_is_not_shown_again(self, defaults: People, portal: Any) -> None:
        otto = portal("otto")
        body = {"name": "Mail", "kind": "email", "address": "ops@example.org", "secret": "", "enabled": "on"}
        otto.post("/admin/monitoring/alertchannel/add/", body)
        made = AlertChannel.objects.get(name="Mail")
        sealed = made.sealed_address
        change = {"name": "Mails", "address": "", "secret": "", "enabled": "on"}
        otto.post(f"/admin/monitoring/alertchannel/{made.pk}/change/", change)
        made.refresh_from_db()
        assert (made.name, made.sealed_address) == ("Mails", sealed)
        otto.post(f"/admin/monitoring/alertchannel/{made.pk}/test/")
        arrive()
        assert mail.outbox[0].subject == "[AI-Writer] A test of the channel"
