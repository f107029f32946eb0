"""Maintenance, the second person, and what is held back after a restore."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from aiwriter.core import pauses as kernel
from aiwriter.core.errors import Conflict, PermissionDenied
from apps.backends.models import BackendProfile
from apps.backups.models import BackupSet, Destination, Pause, Restore
from apps.backups.selectors.pauses import waiting_for
from apps.backups.services import approvals, pauses, switching
from apps.backups.services.restores import CONFIRM, plan_restore, start_restore, undo_restore
from apps.backups.services.working import carry_out
from apps.content import tasks
from apps.content.models import Document, Schedule
from apps.content.services import releasing
from apps.users.models import AuditEvent, RoleGrant
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from tests.factories.content import DocumentFactory
from tests.factories.users import SETUP
from tests.people import People, open_session

BackUp = Callable[..., BackupSet]
Portal = Callable[..., Client]
Api = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def read(settings: Any) -> Iterator[None]:
    """The state is read as in a running portal."""
    settings.PAUSE_STATE = "apps.backups.selectors.pauses.state"
    kernel.forget()
    yield
    kernel.forget()


def waits(people: People) -> Document:
    """A document whose time to be published has come."""
    document = DocumentFactory(workspace=people.press, title="Tomorrow's news")
    Document.objects.filter(pk=document.pk).update(status="approved", approved_version=document.current_version)
    releasing.schedule(
        actor=people.actor("eddie"), document_id=document.pk, publish_at=timezone.now() + dt.timedelta(hours=2)
    )
    Schedule.objects.update(publish_at=timezone.now() - dt.timedelta(minutes=5))
    return document


# ------------------------------------------------------------ maintenance
def test_a_closed_portal_answers_503_and_says_when_to_come_back(portal: Portal, api: Api, people: People) -> None:
    pauses.begin_maintenance(actor=people.actor("otto"), message="Back at six.")
    page = portal("wanda").get("/documents/")
    assert (page.status_code, page["Retry-After"]) == (503, "60")
    assert "The portal is being worked on." in page.content.decode()
    assert "Back at six." in page.content.decode()
    answer = api("wanda").get("/api/v1/content")
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer.json()["error"]["code"] == "maintenance"
    assert set(answer.json()) == {"error", "request_id"}
    # Operators keep the console, health is still asked, and people can sign in.
    assert portal("otto").get("/admin/backups/pause/").status_code == 200
    assert portal().get("/livez").status_code == 200
    assert portal().get("/accounts/login/").status_code == 200
    pauses.end_maintenance(actor=people.actor("otto"))
    assert portal("wanda").get("/documents/").status_code == 200
    assert set(AuditEvent.objects.filter(action__startswith="maintenance.").values_list("action", flat=True)) == {
        "maintenance.begun",
        "maintenance.ended",
    }


def test_writers_do_not_close_the_portal(people: People) -> None:
    for name in ("wanda", "eddie", "ada"):
        with pytest.raises(PermissionDenied):
            pauses.begin_maintenance(actor=people.actor(name))


def test_workers_take_no_jobs_while_it_is_closed(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(tasks.sweeping, "sweep", lambda: done.append("swept") or 1)
    pauses.begin_maintenance(actor=SETUP)
    assert tasks.sweep_generations() is None
    pauses.end_maintenance(actor=SETUP)
    assert tasks.sweep_generations() == 1
    assert done == ["swept"]


def test_the_console_and_the_api_close_and_open(portal: Portal, api: Api) -> None:
    portal("otto").post("/admin/backups/pause/set/begin/", {"message": "Soon."})
    assert Pause.objects.get().message == "Soon."
    assert api("otto").get("/api/v1/backups/maintenance").json()["maintenance"] is True
    assert api("otto").put("/api/v1/backups/maintenance", {"maintenance": False}).json()["maintenance"] is False
    assert api("ada").put("/api/v1/backups/maintenance", {"maintenance": True}).status_code == 403


def test_the_command_closes_opens_and_tells(people: People, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("maintenance", "on", "--message", "Soon.")
    assert "closed" in capsys.readouterr().out
    call_command("maintenance", "off", "--json")
    assert '"maintenance": false' in capsys.readouterr().out


# ------------------------------------------------------------ what goes outside
def test_what_waits_is_held_back_until_somebody_lets_it_go(people: People, api: Api) -> None:
    waits(people)
    pauses.hold_outside()
    assert tasks.sweep_schedules() is None
    assert {each.kind: each.count for each in waiting_for(people.actor("otto"))}["schedules"] == 1
    assert api("otto").post("/api/v1/backups/outside", {"action": "arm"}).status_code == 403
    answer = api("alma").post("/api/v1/backups/outside", {"action": "arm"}).json()
    assert (answer["held"], answer["discarded"]) == (False, 0)
    assert tasks.sweep_schedules() == 1
    with pytest.raises(Conflict):
        pauses.arm_outside(actor=people.actor("alma"))


def test_what_waits_can_be_thrown_away(people: People, portal: Portal) -> None:
    document = waits(people)
    pauses.hold_outside()
    page = portal("alma").get("/admin/backups/pause/").content.decode()
    assert "held back" in page
    assert "Held back since <time" in page
    assert "Tomorrow&#x27;s news" not in page  # whoever runs the portal does not read what people write
    portal("alma").post("/admin/backups/pause/set/discard/")
    assert not Pause.objects.get().outside
    document.refresh_from_db()
    assert (document.status, document.scheduled_at) == ("approved", None)
    assert sum(each.count for each in waiting_for(people.actor("alma"))) == 0


# ------------------------------------------------------------ the second person
def second(people: People) -> Any:
    """Another administrator."""
    person = create_user(actor=SETUP, email="zoe@example.org", full_name="Zoe", password="a lamp in the fog 12")
    grant_role(actor=SETUP, user=person, role=RoleGrant.Role.ADMIN, reason="A second one")
    return person


def test_a_lone_administrator_agrees_by_typing(
    files: BackendProfile, people: People, place: Destination, settings: Any
) -> None:
    assert people.alma
    assert not approvals.wanted()
    settings.RESTORE_APPROVAL = "always"
    assert approvals.wanted()
    settings.RESTORE_APPROVAL = "auto"
    second(people)
    assert approvals.wanted()
    settings.RESTORE_APPROVAL = "never"
    assert not approvals.wanted()


def planned(people: People, place: Destination, **plan: Any) -> Restore:
    """A plan of Alma's that a second person has to agree to."""
    return Restore.objects.create(
        scope="database",
        destination=place,
        set_name="x",
        requested_by=people.alma,
        plan={"approval": True, "confirm": CONFIRM["database"], "problems": [], **plan},
    )


def _page_for(person: Any, restore: Restore) -> str:
    browser = Client()
    open_session(browser, person)
    return browser.get(f"/admin/backups/restore/{restore.pk}/change/").content.decode()


def test_a_plan_of_a_command_says_so(people: People, place: Destination) -> None:
    restore = planned(people, place)
    Restore.objects.update(requested_by=None, trigger="command")
    assert "Somebody at the command line has planned this restore" in _page_for(people.alma, restore)


def test_a_restore_waits_for_a_second_person(people: People, place: Destination, api: Api, portal: Portal) -> None:
    restore = planned(people, place)
    zoe = second(people)
    with pytest.raises(Conflict, match="second person"):
        start_restore(actor=people.actor("alma"), restore_id=restore.pk, confirm=CONFIRM["database"])
    assert f"{people.alma} has planned this restore" in _page_for(zoe, restore)
    refused = api("alma").post(f"/api/v1/backups/restores/{restore.pk}/approve")
    assert refused.status_code == 403
    page = portal("alma").get(f"/admin/backups/restore/{restore.pk}/change/").content.decode()
    assert "Ask another administrator" in page
    assert "Restore now" not in page
    caller = APIClient()
    open_session(caller, zoe, minutes_ago=16)
    asked = caller.post(f"/api/v1/backups/restores/{restore.pk}/approve")
    assert (asked.status_code, asked.json()["error"]["code"]) == (403, "reauthentication_required")
    caller = APIClient()
    open_session(caller, zoe)
    agreed = caller.post(f"/api/v1/backups/restores/{restore.pk}/approve").json()
    assert agreed["approved_by_id"] == str(zoe.pk)
    assert "Restore now" in portal("alma").get(f"/admin/backups/restore/{restore.pk}/change/").content.decode()
    started = start_restore(actor=people.actor("alma"), restore_id=restore.pk, confirm=CONFIRM["database"], wake=False)
    assert started.state == "queued"
    with pytest.raises(Conflict):
        approvals.approve_restore(actor=people.actor("alma"), restore_id=restore.pk)


def test_a_portal_is_opened_when_its_restore_is_over_however_it_ended(people: People, place: Destination) -> None:
    restore = planned(people, place)
    Restore.objects.filter(pk=restore.pk).update(state="running")
    pauses.begin_maintenance(actor=SETUP, restore=restore)
    assert pauses.release_orphaned() == 0
    with pytest.raises(Conflict, match="restore is working"):
        pauses.end_maintenance(actor=people.actor("otto"))
    Restore.objects.filter(pk=restore.pk).update(state="failed")
    assert pauses.release_orphaned() == 1
    assert not Pause.objects.get().maintenance


def test_a_restored_portal_opens_and_holds_back_what_waited(
    transactional_db: None, files: BackendProfile, people: People, back_up: BackUp
) -> None:
    waits(people)
    row = back_up()
    plan = plan_restore(actor=SETUP, set_id=row.pk, scope="database")
    start_restore(actor=SETUP, restore_id=plan.pk, confirm=CONFIRM["database"], wake=False)
    carry_out("restore", plan.pk)
    done = Restore.objects.get(pk=plan.pk)
    try:
        assert done.state == "succeeded", f"{done.error}\n{done.log}"
        pause = Pause.objects.get()
        assert (pause.maintenance, pause.outside, pause.restore_id) == (False, True, None)
        kernel.forget()
        assert tasks.sweep_schedules() is None
        undo_restore(actor=SETUP, restore_id=done.pk)
        pause = Pause.objects.get()
        assert (pause.maintenance, pause.outside) == (False, False)
    finally:
        switching.forget_before(Restore.objects.get(pk=done.pk))
