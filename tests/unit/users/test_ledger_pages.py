"""The audit record in the console and in the API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.users.models import AuditCheckpoint, AuditEvent, AuditSink, AuditVerification
from apps.users.selectors.access import Actor
from apps.users.services import ledger_sealing
from apps.users.services.audit import record
from tests.people import People

LIST = "/admin/users/auditevent/"


def test_the_list_says_in_words_what_happened(people: People, portal):
    record(people.actor("eddie"), "workspace.updated", obj=people.press, before={"name": "a"}, after={"name": "b"})
    page = portal("ada").get(LIST)
    text = page.content.decode()
    assert "A workspace was changed" in text
    assert "eddie@example.org" in text
    assert AuditEvent.objects.filter(action="audit.read", actor_id=f"user:{people.ada.pk}").exists()


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("who=eddie", True),
        ("who=nobody", False),
        ("action=workspace.*", True),
        ("action=token.*", False),
        ("outcome=denied", False),
        ("since=2001-01-01", True),
        ("until=2001-01-01", False),
    ],
)
def test_the_list_is_filtered(people: People, portal, query: str, there: bool):
    record(people.actor("eddie"), "workspace.updated", obj=people.press, reason="x")
    text = portal("ada").get(f"{LIST}?{query}").content.decode()
    assert ("eddie@example.org" in text.partition("</form>")[2]) is there


def test_the_list_goes_on(people: People, portal):
    for number in range(60):
        record(Actor.system_actor("tests"), "user.updated", reason=str(number))
    client = portal("ada")
    page = client.get(f"{LIST}?action=user.updated")
    assert len(page.context["events"]) == 50
    second = client.get(f"{LIST}?{page.context['older']}")
    assert len(second.context["events"]) == 10
    assert not {each["row"].pk for each in page.context["events"]} & {
        each["row"].pk for each in second.context["events"]
    }
    assert client.get(f"{LIST}?before=nonsense").status_code == 400


def test_an_event_has_a_page(people: People, portal):
    event = record(
        people.actor("eddie"), "workspace.updated", obj=people.press, before={"name": "a"}, after={"name": "b"}
    )
    text = portal("ada").get(f"{LIST}{event.pk}/change/").content.decode()
    assert "What was changed" in text
    assert "It is sealed within seconds" in text
    ledger_sealing.seal_pending()
    event.refresh_from_db()
    assert event.hash in portal("ada").get(f"{LIST}{event.pk}/change/").content.decode()


def test_the_chain_has_a_page_with_buttons(people: People, portal, run_jobs):
    record(Actor.system_actor("tests"), "user.updated")
    client = portal("alma")
    assert "Checkpoints stay on this machine" in client.get(f"{LIST}ledger/").content.decode()
    assert client.post(f"{LIST}checkpoint/").status_code == 302
    assert AuditCheckpoint.objects.count() == 1
    assert client.post(f"{LIST}verify/").status_code == 302
    run_jobs()
    assert AuditVerification.objects.get().state == "sound"
    assert client.get(f"{LIST}ledger/").status_code == 200
    assert portal("ada").post(f"{LIST}checkpoint/").status_code == 403


def test_exports_from_the_console(people: People, portal):
    record(Actor.system_actor("tests"), "user.updated")
    ledger_sealing.seal_pending()
    answer = portal("ada").get(f"{LIST}export/jsonl/?action=user.updated")
    rows = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]  # type: ignore[attr-defined]
    assert {row["action"] for row in rows} == {"user.updated"}
    assert portal("ada").get(f"{LIST}export/xml/").status_code == 400


def test_what_is_filtered_by_an_id_is_recorded_and_exported_so(people: People, portal):
    record(people.actor("eddie"), "workspace.updated", obj=people.press)
    record(Actor.system_actor("tests"), "user.updated")
    ledger_sealing.seal_pending()
    query = f"object_id={people.press.pk}"
    page = portal("ada").get(f"{LIST}?{query}")
    assert {each["row"].object_id for each in page.context["events"]} == {str(people.press.pk)}
    assert str(people.press.pk) in AuditEvent.objects.get(action="audit.read").after.values()
    answer = portal("ada").get(f"{LIST}export/jsonl/?{query}")
    rows = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]  # type: ignore[attr-defined]
    assert {row["object_id"] for row in rows} == {str(people.press.pk)}


def test_places_are_set_up_in_the_console(people: People, portal, tmp_path: Path):
    client = portal("alma")
    form = {"name": "Share", "kind": "file", "address": str(tmp_path / "a")}
    assert client.post("/admin/users/auditsink/add/", form).status_code == 302
    sink = AuditSink.objects.get()
    page = client.get(f"/admin/users/auditsink/{sink.pk}/change/")
    assert "What it got and what it waits for" in page.content.decode()
    client.post(f"/admin/users/auditsink/{sink.pk}/change/", {"name": "Other", "address": sink.address})
    sink.refresh_from_db()
    assert (sink.name, sink.enabled) == ("Other", False)
    client.post(f"/admin/users/auditsink/{sink.pk}/delete/", {"post": "yes"})
    assert not AuditSink.objects.exists()


# ---------------------------------------------------------------- the API
def test_events_in_the_api(people: People, api):
    record(people.actor("eddie"), "workspace.updated", obj=people.press)
    answer = api("ada").get("/api/v1/audit/events?action=workspace.updated").json()
    assert [row["actor_label"] for row in answer["data"]] == ["eddie@example.org"]
    key = answer["data"][0]["id"]
    assert api("ada").get(f"/api/v1/audit/events/{key}").json()["action"] == "workspace.updated"
    assert api("wanda").get("/api/v1/audit/events").status_code == 403
    wrong = api("ada").get("/api/v1/audit/events?action=nope").json()
    assert wrong["error"]["details"][0]["field"] == "action"


def test_an_export_in_the_api_says_where_it_goes_on(people: People, api):
    for _ in range(5):
        record(Actor.system_actor("tests"), "user.updated")
    ledger_sealing.seal_pending()
    answer = api("ada").get("/api/v1/audit/export?limit=2")
    assert (answer["X-Last-Seq"], answer["X-Has-More"]) == ("2", "true")
    assert len(b"".join(answer.streaming_content).splitlines()) == 2  # type: ignore[attr-defined]
    assert api("ada").get("/api/v1/audit/export?limit=0").status_code == 400
    assert api("ada").get("/api/v1/audit/export?after=x").status_code == 400


def test_the_chain_in_the_api(people: People, api, run_jobs, tmp_path: Path):
    record(Actor.system_actor("tests"), "user.updated")
    alma = api("alma")
    made = alma.post("/api/v1/audit/sinks", {"name": "Share", "kind": "file", "address": str(tmp_path / "a")})
    assert made.status_code == 201
    point = alma.post("/api/v1/audit/checkpoints")
    assert point.status_code == 201
    run_jobs()
    state = alma.get(f"/api/v1/audit/sinks/{made.json()['id']}").json()
    assert state["last_seq"] == point.json()["seq"]
    rows = alma.get(f"/api/v1/audit/sinks/{made.json()['id']}/deliveries").json()["data"]
    assert [row["state"] for row in rows] == ["delivered"]
    document = alma.get(f"/api/v1/audit/checkpoints/{point.json()['id']}/file")
    assert json.loads(b"".join(document.streaming_content))["seq"] == point.json()["seq"]  # type: ignore[attr-defined]
    begun = api("ada").post("/api/v1/audit/verify")
    assert begun.status_code == 202
    run_jobs()
    assert api("ada").get(f"/api/v1/audit/verify/{begun.json()['id']}").json()["state"] == "sound"
    status = api("ada").get("/api/v1/audit/status").json()
    assert (status["sinks"], status["worst"], status["sinks_behind"]) == (1, "ok", [])
    assert alma.patch(f"/api/v1/audit/sinks/{made.json()['id']}", {"enabled": False}).json()["enabled"] is False
    assert alma.delete(f"/api/v1/audit/sinks/{made.json()['id']}").status_code == 204
