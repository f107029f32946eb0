"""Incidents: opened by what is critical or by hand, told to the public by choice, closed and reviewed by people."""

from __future__ import annotations

from typing import Any

import pytest

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.monitoring.models import Incident
from apps.monitoring.selectors.incidents import timeline
from apps.monitoring.services import incidents
from apps.monitoring.services.alert_defaults import ensure_alerts
from apps.monitoring.services.alerting import evaluate
from apps.users.models import AuditEvent
from tests.lab.alerts import after, says
from tests.people import People

pytestmark = pytest.mark.django_db


def test_what_is_critical_opens_one_incident_and_people_close_it(people: People) -> None:
    ensure_alerts()
    says("database", "fail")
    says("file_storage", "fail", node="there")
    says("mail", "fail", node="there")  # a warning opens none
    for second in (0, 10):
        evaluate(now=after(second))
    incident = Incident.objects.get()
    assert (incident.by_alert, incident.state, incident.alerts.count()) == (True, "open", 2)
    says("database", "ok")
    says("file_storage", "ok", node="there")
    for second in (20, 55):
        evaluate(now=after(second))
    incident.refresh_from_db()
    assert incident.state == "watched"
    otto = people.actor("otto")
    incidents.update_incident(actor=otto, incident_id=incident.pk, state="resolved", lead="otto")
    told = [each.text for each in timeline(Incident.objects.get())]
    assert sum(text.startswith("Fires: ") for text in told) == 2
    assert sum(text.startswith("Over: ") for text in told) == 2
    assert "otto leads." in told
    says("database", "fail")
    for second in (100, 110):
        evaluate(now=after(second))
    assert Incident.objects.count() == 2


def test_from_opening_to_review(people: People) -> None:
    otto = people.actor("otto")
    incident = incidents.open_incident(actor=otto, title="Slow", severity="minor")
    assert incident.lead == "otto@example.org"
    incidents.add_entry(actor=otto, incident_id=incident.pk, text="It is the disk of db1.")
    assert incidents.notices() == ()
    incidents.add_entry(actor=otto, incident_id=incident.pk, text="We are on it.", public=True)
    ((_, title, text),) = incidents.notices()
    assert (title, text) == ("Slow", "We are on it.")
    with pytest.raises(Conflict, match="not over"):
        incidents.write_review(actor=otto, incident_id=incident.pk, review="r")
    incidents.update_incident(actor=otto, incident_id=incident.pk, state="resolved", severity="major")
    assert incidents.notices() == ()
    incidents.write_review(actor=otto, incident_id=incident.pk, review="The disk.", actions=[("Buy one", "alma")])
    (action,) = incident.actions.all()
    incidents.finish_action(actor=otto, incident_id=incident.pk, action_id=action.pk)
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert actions >= {
        "incident.opened",
        "incident.published",
        "incident.updated",
        "incident.reviewed",
        "incident.action_done",
    }


def test_who_only_reads_changes_nothing(people: People) -> None:
    incident = incidents.open_incident(actor=people.actor("otto"), title="Slow")
    with pytest.raises(PermissionDenied):
        incidents.add_entry(actor=people.actor("ada"), incident_id=incident.pk, text="x")
    with pytest.raises(PermissionDenied):
        incidents.open_incident(actor=people.actor("wanda"), title="x")
    for change, field in (({"title": " "}, "title"), ({"severity": "huge"}, "severity"), ({"state": "gone"}, "state")):
        with pytest.raises(InvalidInput) as caught:
            incidents.update_incident(actor=people.actor("otto"), incident_id=incident.pk, **change)
        assert caught.value.details[0].field == field


def test_the_page_and_the_api(people: People, portal: Any, api: Any) -> None:
    otto = portal("otto")
    otto.post("/admin/monitoring/incident/add/", {"title": "Slow", "severity": "minor"})
    incident = Incident.objects.get()
    page = f"/admin/monitoring/incident/{incident.pk}"
    otto.post(f"{page}/say/", {"text": "We look.", "public": "on"})
    otto.post(f"{page}/update/", {"state": "resolved", "severity": "minor", "lead": ""})
    otto.post(f"{page}/review/", {"review": "Learnt.", "actions": "one\ntwo\n"})
    otto.post(f"{page}/done/", {"action": str(incident.actions.first().pk)})  # type: ignore[union-attr]
    shown = otto.get(f"{page}/change/").content.decode()
    assert "We look." in shown
    assert "Learnt." in shown
    assert shown.count(">Done</button>") == 1
    assert "What is known or done" not in portal("ada").get(f"{page}/change/").content.decode()
    whole = api("ada").get(f"/api/v1/incidents/{incident.pk}").json()
    assert [each["text"] for each in whole["actions"]] == ["one", "two"]
    assert any(each["public"] for each in whole["timeline"])
    opened = api("otto").post("/api/v1/incidents", {"title": "Again", "severity": "major"})
    assert opened.status_code == 201
    assert "Again" in otto.get("/admin/").content.decode()
