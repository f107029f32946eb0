"""From the draft to readers: which step may follow, what stays pinned, and publishing at a time."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.content.models import Document, Schedule, WritingSettings
from apps.content.models.lifecycle import TRANSITIONS
from apps.content.services import lifecycle, releasing
from apps.content.services.documents import StaleRevision, save_document
from apps.content.services.publishing import publish_document
from apps.users.models import AuditEvent, Notification
from tests.factories.content import DocumentFactory
from tests.people import People
from tests.web.matrix.content import _place


@pytest.fixture
def document(people: People) -> Document:
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown="The first text.\n")


def write(people: People, document: Document, text: str, *, by: str = "wanda", reason: str = "manual") -> Document:
    return save_document(
        actor=people.actor(by), document_id=document.pk, revision=None, body_markdown=text, reason=reason
    )


def rule(people: People, approval: str) -> None:
    WritingSettings.objects.update_or_create(workspace=people.press, defaults={"approval": approval})


def approved(people: People, document: Document) -> Document:
    return lifecycle.approve(actor=people.actor("eddie"), document_id=document.pk)


def soon() -> dt.datetime:
    return timezone.now() + dt.timedelta(hours=1)


def due(row: Schedule) -> Schedule:
    Schedule.objects.filter(pk=row.pk).update(publish_at=timezone.now() - dt.timedelta(seconds=1))
    return row


def test_a_text_goes_from_draft_to_readers_and_each_step_is_recorded(people: People, document: Document):
    wanda, eddie = people.actor("wanda"), people.actor("eddie")
    assert lifecycle.submit(actor=wanda, document_id=document.pk, note="Please look").status == "in_review"
    assert lifecycle.approve(actor=eddie, document_id=document.pk, note="Fine").status == "approved"
    done = releasing.publish(actor=wanda, document_id=document.pk)
    assert (done.status, done.published_version.number) == ("published", 1)
    assert releasing.unpublish(actor=wanda, document_id=document.pk).status == "approved"
    assert lifecycle.archive(actor=wanda, document_id=document.pk).status == "archived"
    assert lifecycle.reopen(actor=wanda, document_id=document.pk).status == "approved"
    assert lifecycle.send_back(actor=eddie, document_id=document.pk).status == "draft"
    actions = AuditEvent.objects.filter(object_id=str(document.pk)).order_by("occurred_at", "id")
    assert [event.action for event in actions][1:] == [
        f"document.{name}"
        for name in ("submitted", "approved", "published", "unpublished", "archived", "reopened", "returned")
    ]
    assert Notification.objects.filter(user=people.wanda, kind="document.approved", body="Fine").count() == 1


@pytest.mark.parametrize("status", Document.Status.values)
@pytest.mark.parametrize("step", TRANSITIONS)
def test_only_the_table_leads_on(people: People, document: Document, status: str, step: str):
    document.status = status
    if status in TRANSITIONS[step]:
        assert lifecycle.move(document, step) == status
        assert document.status == (TRANSITIONS[step][status] or "draft")
    else:
        with pytest.raises(Conflict) as caught:
            lifecycle.move(document, step)
        assert document.status == status
        assert "Possible now" in caught.value.remedy


def test_what_is_published_stays_whatever_is_written_after_it(people: People, document: Document):
    approved(people, document)
    releasing.publish(actor=people.actor("wanda"), document_id=document.pk)
    # Automatic saves within minutes grow one version; a pinned one must not grow.
    write(people, document, "The first text. And more", reason="autosave")
    write(people, document, "The first text. And more and more", reason="autosave")
    document.refresh_from_db()
    assert document.published_version.body_markdown == "The first text.\n"
    assert (document.published_version.number, document.current_version.number) == (1, 2)
    assert document.status == "published"
    with pytest.raises(Conflict):
        releasing.publish(actor=people.actor("wanda"), document_id=document.pk)
    lifecycle.submit(actor=people.actor("wanda"), document_id=document.pk)
    document.refresh_from_db()
    assert (document.status, document.published_version.number) == ("in_review", 1)
    approved(people, document)
    assert releasing.publish(actor=people.actor("wanda"), document_id=document.pk).published_version.number == 2


def test_words_typed_after_the_reviewer_read_are_not_approved(people: People, document: Document):
    write(people, document, "As the reviewer reads it.", reason="autosave")
    lifecycle.submit(actor=people.actor("wanda"), document_id=document.pk)
    write(people, document, "Typed afterwards.", reason="autosave")
    assert approved(people, document).approved_version.body_markdown == "As the reviewer reads it."


def test_approving_names_the_revision_that_was_seen(people: People, document: Document):
    write(people, document, "Newer.")
    with pytest.raises(StaleRevision):
        lifecycle.approve(actor=people.actor("eddie"), document_id=document.pk, revision=1)
    document.refresh_from_db()
    assert document.approved_version is None


def test_only_editors_approve_and_strangers_find_nothing(people: People, document: Document):
    with pytest.raises(PermissionDenied):
        lifecycle.approve(actor=people.actor("wanda"), document_id=document.pk)
    with pytest.raises(NotFound):
        lifecycle.approve(actor=people.actor("eve"), document_id=document.pk)
    with pytest.raises(NotFound):
        releasing.schedule(actor=people.actor("eve"), document_id=document.pk, publish_at=soon())


def test_where_two_pairs_of_eyes_are_wanted_nobody_approves_what_they_wrote(people: People, document: Document):
    rule(people, "other")
    write(people, document, "Eddie's own words.", by="eddie")
    write(people, document, "Wanda's words.")
    with pytest.raises(PermissionDenied):
        approved(people, document)
    rule(people, "editor")
    approved(people, document)
    rule(people, "other")
    write(people, document, "Wanda wrote this since.")
    assert approved(people, document).approved_version.number == 4


def test_without_a_rule_whoever_writes_publishes_the_present_text(people: People, document: Document):
    with pytest.raises(Conflict):
        releasing.publish(actor=people.actor("wanda"), document_id=document.pk)
    rule(people, "none")
    releasing.publish(actor=people.actor("wanda"), document_id=document.pk)
    write(people, document, "Second.")
    assert releasing.publish(actor=people.actor("wanda"), document_id=document.pk).published_version.number == 2


def test_places_get_only_what_is_approved_but_drafts_at_once(people: People, document: Document):
    wanda, place = people.actor("wanda"), _place(people)
    with pytest.raises(Conflict):
        publish_document(actor=wanda, document_id=document.pk, target_id=place)
    assert publish_document(actor=wanda, document_id=document.pk, target_id=place, wish="draft").version.number == 1
    approved(people, document)
    write(people, document, "Not approved.")
    with pytest.raises(Conflict):
        publish_document(actor=wanda, document_id=document.pk, target_id=place, version="2")
    row = publish_document(actor=wanda, document_id=document.pk, target_id=place, version="approved")
    document.refresh_from_db()
    assert (row.version.number, document.status, document.published_version.number) == (1, "published", 1)
    releasing.unpublish(actor=wanda, document_id=document.pk)
    row.refresh_from_db()
    assert row.wish == "withdraw"


def test_an_archived_text_cannot_be_changed(people: People, document: Document):
    lifecycle.archive(actor=people.actor("wanda"), document_id=document.pk)
    with pytest.raises(Conflict) as caught:
        write(people, document, "Too late.")
    assert "archive" in caught.value.remedy


def test_a_document_is_published_at_its_time_once(people: People, document: Document, run_jobs):
    approved(people, document)
    place = _place(people)
    row = releasing.schedule(
        actor=people.actor("wanda"),
        document_id=document.pk,
        publish_at=soon(),
        places=[{"target_id": place, "tags": ["sea"]}],
    )
    write(people, document, "Written while it waits.")
    releasing.run_schedule(row.pk)  # not due: nothing happens
    document.refresh_from_db()
    assert (document.status, document.scheduled_at) == ("scheduled", row.publish_at)
    due(row)
    assert releasing.sweep_schedules() == 1
    releasing.run_schedule(row.pk)
    releasing.run_schedule(row.pk)  # the message came twice
    document.refresh_from_db()
    assert (document.status, document.published_version.number, document.scheduled_at) == ("published", 1, None)
    publication = document.publications.get()
    assert (publication.version.number, publication.tags) == (1, ["sea"])
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("done", 1)
    assert Notification.objects.filter(user=people.wanda, kind="document.published").count() == 1
    assert releasing.sweep_schedules() == 0


def test_a_worker_that_died_is_followed_by_another(people: People, document: Document):
    approved(people, document)
    row = due(releasing.schedule(actor=people.actor("wanda"), document_id=document.pk, publish_at=soon()))
    fence = Schedule.objects.claim(row.pk, lease=releasing.LEASE, to_state="running")
    releasing.run_schedule(row.pk)  # somebody is at it
    row.refresh_from_db()
    assert row.state == "running"
    with pytest.raises(Conflict):
        releasing.unschedule(actor=people.actor("wanda"), document_id=document.pk)
    Schedule.objects.filter(pk=row.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    releasing.run_schedule(row.pk)
    row.refresh_from_db()
    assert (row.state, row.fence) == ("done", fence + 1)
    # The one that was thought dead writes no more.
    assert not Schedule.objects.held(row.pk, fence=fence).update(state="failed")


def test_a_time_is_replaced_and_taken_back(people: People, document: Document):
    wanda = people.actor("wanda")
    approved(people, document)
    first = releasing.schedule(actor=wanda, document_id=document.pk, publish_at=soon())
    second = releasing.schedule(actor=wanda, document_id=document.pk, publish_at=soon() + dt.timedelta(days=1))
    first.refresh_from_db()
    assert first.state == "cancelled"
    assert releasing.unschedule(actor=wanda, document_id=document.pk).status == "approved"
    due(second)
    releasing.run_schedule(second.pk)
    document.refresh_from_db()
    assert (document.status, document.published_version) == ("approved", None)


def test_a_document_in_the_bin_is_not_published_and_somebody_is_told(people: People, document: Document):
    approved(people, document)
    row = due(releasing.schedule(actor=people.actor("wanda"), document_id=document.pk, publish_at=soon()))
    Document.objects.filter(pk=document.pk).update(deleted_at=timezone.now())
    releasing.run_schedule(row.pk)
    row.refresh_from_db()
    document.refresh_from_db()
    assert (row.state, document.status, document.published_version) == ("failed", "approved", None)
    assert "bin" in Notification.objects.get(user=people.wanda, kind="document.schedule_failed").body


@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00+00:00", "2026-12-01T09:00:00", "2099-01-01T00:00:00+00:00"])
def test_times_that_cannot_be_meant_are_refused(people: People, document: Document, moment: str):
    approved(people, document)
    with pytest.raises(InvalidInput) as caught:
        releasing.schedule(
            actor=people.actor("wanda"), document_id=document.pk, publish_at=dt.datetime.fromisoformat(moment)
        )
    assert caught.value.field == "publish_at"


def test_the_api_takes_each_step(people: People, document: Document, api):
    wanda, eddie, path = api("wanda"), api("eddie"), f"/api/v1/content/{document.pk}"
    assert wanda.get(f"{path}/status").json()["steps"] == ["submit", "archive"]
    assert wanda.post(f"{path}/submit", {"note": "Ready"}, format="json").json()["review_version"] == 1
    assert wanda.post(f"{path}/approve", {}, format="json").status_code == 403
    stale = eddie.post(f"{path}/approve", {}, format="json", headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    assert eddie.post(f"{path}/approve", {"version": 1}, format="json").json()["approved_version"] == 1
    at = soon().isoformat()
    body = wanda.post(f"{path}/schedule", {"publish_at": at}, format="json").json()
    assert (body["status"], body["scheduled_version"]) == ("scheduled", 1)
    assert wanda.delete(f"{path}/schedule").json()["status"] == "approved"
    assert wanda.post(f"{path}/publish", {}, format="json").json()["published_version"] == 1
    refused = wanda.post(f"{path}/publish", {}, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert wanda.delete(f"{path}/publish").json()["status"] == "approved"
    assert wanda.post(f"{path}/archive").json()["status"] == "archived"
    assert wanda.delete(f"{path}/archive").json()["status"] == "approved"
    listed = wanda.get("/api/v1/content?status=approved").json()["data"]
    assert [row["id"] for row in listed] == [str(document.pk)]


def test_the_page_offers_and_takes_the_steps(people: People, document: Document, portal):
    path = f"/documents/{document.pk}/status"
    page = portal("wanda").get(path).content.decode()
    assert 'value="submit"' in page
    assert 'value="approve"' not in page
    portal("wanda").post(path, {"step": "submit", "revision": "1", "note": ""})
    assert "Approve version 1" in portal("eddie").get(path).content.decode()
    portal("eddie").post(path, {"step": "approve", "revision": "1", "version": "1"})
    missing = portal("wanda").post(path, {"step": "schedule", "publish_at": ""})
    assert missing.status_code == 400
    assert "The time is missing." in missing.content.decode()
    people.wanda.timezone = "Pacific/Auckland"
    people.wanda.save()
    portal("wanda").post(path, {"step": "schedule", "publish_at": "2027-07-01T09:00"})
    document.refresh_from_db()
    assert document.scheduled_at == dt.datetime(2027, 6, 30, 21, tzinfo=dt.UTC)
    assert "Scheduled" in portal("wanda").get("/documents/").content.decode()
