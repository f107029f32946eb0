"""The console's pages of backups and their endpoints: what they show, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.backups.models import BackupRun, BackupSet, Destination, Drill, Policy, Restore, StagingCopy
from apps.backups.services.destinations import create_destination
from apps.backups.services.policies import create_policy
from tests.factories.users import SETUP

Portal = Callable[..., Client]
Api = Callable[..., APIClient]
NAME = "20260101T000000Z-00000000"


@pytest.fixture
def place(db: None, tmp_path: Path) -> Destination:
    """A repository without sets."""
    made, _ = create_destination(actor=SETUP, name="Shelf", folder=str(tmp_path / "repository"))
    create_policy(actor=SETUP, destination_id=made.pk, name="Hours")
    return made


@pytest.fixture
def a_set(place: Destination) -> BackupSet:
    """A set that the portal knows of."""
    return BackupSet.objects.create(destination=place, name=NAME, state="verified", rows=7)


def test_the_first_page_says_how_things_stand(portal: Portal, a_set: BackupSet, place: Destination) -> None:
    Drill.objects.create(
        destination=place, policy=Policy.objects.get(), set_name=NAME, state="succeeded", rto_seconds=42, rpo_seconds=99
    )
    page = portal("otto").get("/admin/backups/backupset/").content.decode()
    assert "is backed up" in page
    assert ("All backups lie on the same disk" in page) == ("tile-number is-bad" in page)
    assert "42.0 s" in page
    assert page.count('class="plot"') == 2
    assert "Back up now" in page
    assert "Restore…" not in page  # an operator makes backups and does not restore
    assert "Back up now" not in portal("ada").get("/admin/backups/backupset/").content.decode()


def test_before_the_first_set_the_page_says_when_it_will_be_made(portal: Portal, place: Destination) -> None:
    page = portal("otto").get("/admin/backups/backupset/").content.decode()
    assert "Nothing is backed up yet." in page
    assert "Next backup" in page


def test_without_any_place_the_page_says_what_to_do(portal: Portal, db: None) -> None:
    page = portal("alma").get("/admin/backups/backupset/").content.decode()
    assert "No place for backups is set up." in page


def test_a_run_is_followed_and_stopped(portal: Portal, place: Destination) -> None:
    run = BackupRun.objects.create(
        destination=place, state="running", phase="files", done=1, total=4, log="12:00 begun"
    )
    otto = portal("otto")
    part = otto.get(f"/admin/backups/backuprun/{run.pk}/change/", headers={"X-Fragment": "1"}).content.decode()
    assert 'data-busy="1"' in part
    assert "25 %" in part
    assert "<html" not in part
    assert otto.post(f"/admin/backups/backuprun/{run.pk}/stop/").status_code == 302
    run.refresh_from_db()
    assert run.stop_requested_at is not None


def test_buttons_start_runs(portal: Portal, place: Destination) -> None:
    portal("otto").post("/admin/backups/backupset/start/verify/")
    assert BackupRun.objects.get().action == "verify"
    answer = portal("otto").post("/admin/backups/backupset/start/drill/", follow=True)
    assert "Make a backup first." in answer.content.decode()


def test_the_wizard_keeps_what_was_typed_and_names_the_field(portal: Portal, a_set: BackupSet) -> None:
    page = portal("alma").post(
        "/admin/backups/restore/plan/", {"scope": "document", "set_id": str(a_set.pk), "subject": "my article"}
    )
    text = page.content.decode()
    assert page.status_code == 200
    assert "That is no id of a workspace, a document or a file." in text
    assert "my article" in text
    assert not Restore.objects.exists()


def test_a_plan_shows_what_is_lost_and_wants_the_words(portal: Portal, a_set: BackupSet, place: Destination) -> None:
    plan = {
        "confirm": "restore the database",
        "lost_acts": 3,
        "steps": ["one step"],
        "warnings": [],
        "problems": [],
        "snapshot_at": "2026-01-01T00:00:00",
        "seconds": 5,
    }
    restore = Restore.objects.create(destination=place, backup_set=a_set, set_name=NAME, scope="database", plan=plan)
    alma, address = portal("alma"), f"/admin/backups/restore/{restore.pk}"
    page = alma.get(f"{address}/change/").content.decode()
    assert "3 recorded acts" in page
    assert "one step" in page
    refused = alma.post(f"{address}/start/", {"confirm": "yes"}, follow=True).content.decode()
    assert "Type: restore the database" in refused
    alma.post(f"{address}/start/", {"confirm": "Restore  the database"})
    restore.refresh_from_db()
    assert restore.state == "queued"


def test_a_policy_shows_what_it_would_delete(portal: Portal, a_set: BackupSet) -> None:
    page = portal("alma").get(f"/admin/backups/policy/{Policy.objects.get().pk}/change/").content.decode()
    assert "What it would do now" in page
    assert "newest checked" in page


def test_no_key_is_ever_told(api: Api, portal: Portal, place: Destination) -> None:
    for text in (
        portal("alma").get(f"/admin/backups/destination/{place.pk}/change/").content.decode(),
        api("alma").get(f"/api/v1/backups/destinations/{place.pk}").content.decode(),
        repr(place),
    ):
        assert "AGE-SECRET-KEY" not in text
        assert place.identity_ref not in text
        assert place.writer_ref not in text


def test_the_api_makes_a_place_and_tells_its_key_once(api: Api, db: None, tmp_path: Path) -> None:
    made = api("alma").post("/api/v1/backups/destinations", {"name": "Away", "folder": str(tmp_path / "away")})
    assert made.status_code == 201, made.json()
    assert made.json()["identity"].startswith("AGE-SECRET-KEY-1")
    shown: Any = api("alma").get(f"/api/v1/backups/destinations/{made.json()['id']}").json()
    assert "identity" not in shown
    assert shown["identity_kept_here"] is True
    again = api("alma").post("/api/v1/backups/destinations", {"name": "Twin", "folder": str(tmp_path / "away")})
    assert again.status_code == 409
    assert "key of this repository" in str(again.json())


def test_lists_ask_a_constant_number_of_queries(
    api: Api, place: Destination, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(30):
        BackupSet.objects.create(destination=place, name=f"{number}", state="verified")
        BackupRun.objects.create(destination=place, state="succeeded")
    client = api("otto")
    for address in ("sets", "runs", "drills", "restores", "destinations", "policies"):
        with django_assert_max_num_queries(8):
            assert client.get(f"/api/v1/backups/{address}").status_code == 200


def test_a_staging_copy_is_asked_for_and_its_report_is_shown(
    portal: Portal, place: Destination, a_set: BackupSet
) -> None:
    page = portal("alma").get("/admin/backups/stagingcopy/new/").content.decode()
    assert "Data folder of the copy" in page
    refused = portal("alma").post("/admin/backups/stagingcopy/new/", {"set_id": str(a_set.pk), "folder": "../files"})
    assert "belongs to this portal" in refused.content.decode()
    job = StagingCopy.objects.create(
        destination=place,
        set_name=NAME,
        folder="/srv/staging",
        state="succeeded",
        scan={"found": 0, "looked_for": 321, "files": 4, "tables": 5, "bytes": 6, "places": []},
        result={"rows": 7, "files": 8, "tables": {"users.User": 7}, "start": "make run"},
    )
    shown = portal("otto").get(f"/admin/backups/stagingcopy/{job.pk}/change/").content.decode()
    assert "0 originals found" in shown
    assert "321 words" in shown
    assert "sign-in.txt" in shown
    assert "Make a staging copy" not in portal("otto").get("/admin/backups/stagingcopy/").content.decode()
    # Who may not restore is not led to a page that refuses.
    assert "restore/plan/" not in portal("otto").get("/admin/backups/restore/").content.decode()
    assert "restore/plan/" in portal("alma").get("/admin/backups/restore/").content.decode()


def test_the_api_makes_follows_and_stops_a_staging_copy(
    api: Api, place: Destination, a_set: BackupSet, tmp_path: Path
) -> None:
    wrong = api("alma").post("/api/v1/backups/staging", {"set_id": str(a_set.pk), "folder": ""})
    assert wrong.status_code in (400, 422)
    job = StagingCopy.objects.create(destination=place, set_name=NAME, folder="/srv/staging")
    read = api("otto").get(f"/api/v1/backups/staging/{job.pk}").json()
    assert (read["state"], read["folder"], read["scan"]) == ("queued", "/srv/staging", {})
    assert "database_ref" not in read
    stopped = api("otto").post(f"/api/v1/backups/staging/{job.pk}/stop").json()
    assert stopped["state"] == "stopped"
    assert len(api("otto").get("/api/v1/backups/staging").json()["data"]) == 1


def test_the_wizard_lists_moments_and_refuses_one_that_was_not_captured(
    portal: Portal, api: Api, a_set: BackupSet, place: Destination
) -> None:
    alma = portal("alma")
    page = alma.get("/admin/backups/restore/plan/").content.decode()
    assert "Moments that can be restored" in page
    assert "From which set?</label>" in page
    assert "switch that on in a policy" in page
    form = {"scope": "database", "set_id": "", "moment": "2026-01-01T00:00:00"}
    text = alma.post("/admin/backups/restore/plan/", form).content.decode()
    assert "At 2026-01-01 00:00:00 UTC no changes were captured" in text
    assert "2026-01-01T00:00:00" in text
    form["set_id"] = str(a_set.pk)
    assert "Name a set or a moment, not both." in alma.post("/admin/backups/restore/plan/", form).content.decode()
    told = api("alma").get("/api/v1/backups/moments").json()
    assert (told["state"], told["spans"], told["destination_id"]) == ("off", [], str(place.pk))
    refused = api("alma").post(
        "/api/v1/backups/restores", {"scope": "system", "moment": "2026-01-01T00:00:00Z"}, format="json"
    )
    assert refused.status_code == 400
    assert "moment" in str(refused.json())
