"""The privacy desk: who may ask and decide what, an export, an erasure that leaves no word, holds, names in the record."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, ProofRequired
from apps.backends.models import StoredBlob
from apps.backends.services.defaults import ensure_defaults
from apps.content.models import Document, DocumentVersion, Source
from apps.monitoring.health import retention_kept
from apps.users.models import AuditEvent, LegalHold, Notification, PrivacyRequest, SubjectKey, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.selectors.ledger import EventFilter
from apps.users.services import legal_holds, privacy, privacy_erasure, privacy_runs, retention
from apps.users.services.ledger_reading import read_events
from apps.users.services.ledger_sealing import seal_pending
from apps.users.services.notifications import notify
from apps.users.services.people import update_user
from apps.users.services.privacy_files import download_response
from apps.users.services.subjects import named
from apps.users.services.workspaces import create_workspace
from tests.factories.content import DocumentFactory, file_source, ready_source
from tests.factories.users import SETUP, UserFactory
from tests.people import People

pytestmark = pytest.mark.django_db

NAME, WORDS, FILED = "Quillon Zephyrine", "harlequinade", "obsidianfern"


def someone(**more: Any) -> User:
    return UserFactory(**{"email": "quillon@example.org", "full_name": NAME, **more})


def carried_out(row: PrivacyRequest) -> PrivacyRequest:
    privacy_runs.run(row.pk)
    row.refresh_from_db()
    return row


def holding(words: str) -> list[str]:
    """Tables that hold a text anywhere."""
    found = []
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            values = [value for row in cursor.fetchall() for value in row]
        if any(words in str(bytes(each) if isinstance(each, memoryview) else each) for each in values):
            found.append(table)
    return found


def test_the_record_holds_no_name_and_forgets_it_with_the_key(people: People):
    user = someone()
    update_user(actor=people.actor("alma"), user=user, full_name="Quillon Zephyrine-Marsh")
    events = AuditEvent.objects.filter(object_id=str(user.pk))
    assert events.count() == 2
    assert not [table for table in holding("Zephyrine") if table == "users_auditevent"]
    shown = named(events.order_by("pk"))
    assert [event.object_label for event in shown] == [NAME, "Quillon Zephyrine-Marsh"]
    assert shown[1].before == {"full_name": NAME}
    assert shown[1].actor_label == "alma@example.org"
    found = read_events(actor=people.actor("ada"), wanted=EventFilter(who="alma@"))
    assert set(found.values_list("pk", flat=True)) == {shown[1].pk}
    from apps.users.services import subjects

    assert subjects.destroy([user.pk]) == 1
    assert {event.object_label for event in named(events)} == {"erased person"}
    # What is recorded later finds no key and makes none.
    update_user(actor=people.actor("alma"), user=user, full_name="Somebody Else")
    assert not [table for table in holding("Somebody Else") if table == "users_auditevent"]
    assert named(events.order_by("-pk"))[0].object_label == "erased person"


def test_who_may_ask_and_decide(people: People):
    wanda, alma = people.actor("wanda"), people.actor("alma")
    with pytest.raises(ProofRequired):
        privacy.ask(actor=Actor.for_user(people.wanda, proven=False), kind="export")
    with pytest.raises(InvalidInput):
        privacy.ask(actor=wanda, kind="sell")
    row = privacy.ask(actor=wanda, kind="erase", wish="Please")
    assert row.state == "waiting"
    assert 29 <= (row.due_at - timezone.now()).days <= 30
    with pytest.raises(Conflict):
        privacy.ask(actor=wanda, kind="erase")
    for name in ("eve", "otto", "ada"):
        with pytest.raises(PermissionDenied):
            privacy.approve(actor=people.actor(name), request_id=row.pk)
    with pytest.raises(NotFound):
        privacy.stop(actor=people.actor("eve"), request_id=row.pk)
    # The desk takes one in: whoever took it in does not decide it.
    with pytest.raises(InvalidInput):
        privacy.receive(actor=alma, person=people.eve, kind="erase", identity=" ")
    taken = privacy.receive(actor=alma, person=people.eve, kind="erase", identity="passport seen")
    with pytest.raises(PermissionDenied, match="second person"):
        privacy.approve(actor=alma, request_id=taken.pk)
    hold = legal_holds.place_hold(actor=alma, user=people.wanda, reason="Case 7")
    with pytest.raises(Conflict, match="hold"):
        privacy.approve(actor=alma, request_id=row.pk)
    legal_holds.lift_hold(actor=alma, hold_id=hold.pk)
    assert privacy.refuse(actor=alma, request_id=row.pk, answer="Still under contract").state == "refused"
    with pytest.raises(Conflict):
        privacy.approve(actor=alma, request_id=row.pk)
    assert people.wanda.notifications.filter(kind="privacy.answered").exists()


def test_a_correction_and_a_restriction_are_carried_out(people: People):
    alma = people.actor("alma")
    row = privacy.ask(actor=people.actor("wanda"), kind="rectify", changes={"full_name": "Wanda W. Writer"})
    privacy.approve(actor=alma, request_id=row.pk)
    assert carried_out(row).state == "done"
    people.wanda.refresh_from_db()
    assert people.wanda.full_name == "Wanda W. Writer"
    row = privacy.ask(actor=people.actor("wanda"), kind="restrict")
    privacy.approve(actor=alma, request_id=row.pk)
    assert carried_out(row).state == "done"
    people.wanda.refresh_from_db()
    assert not people.wanda.is_active


def test_an_export_is_its_persons_alone_and_goes_after_its_days(people: People):
    ensure_defaults()
    user = someone()
    room = create_workspace(actor=SETUP, name="Own", personal_of=user)
    actor = Actor.for_user(user)
    document = DocumentFactory(actor=actor, workspace=room, title="Notes", body_markdown=f"# Notes\n\n{WORDS}\n")
    file_source(room, "fern.txt", f"{FILED} is green.".encode(), actor=actor)
    row = carried_out(privacy.ask(actor=actor, kind="export"))
    assert (row.state, row.error) == ("done", "")
    _, size, content = privacy.download(actor=actor, request_id=row.pk)
    data = b"".join(content)
    assert len(data) == size
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = archive.namelist()
    assert {"README.txt", "data/users.User.jsonl", "documents/versions.jsonl", "record.jsonl"} <= set(names)
    text = next(name for name in names if name.startswith("documents/notes"))
    assert WORDS in archive.read(text).decode()
    assert FILED in archive.read(next(name for name in names if name.endswith("fern.txt"))).decode()
    assert str(document.pk) in archive.read("data/content.Document.jsonl").decode()
    assert b"argon2" not in b"".join(archive.read(name) for name in names)
    with pytest.raises(NotFound):
        privacy.download(actor=people.actor("alma"), request_id=row.pk)
    assert download_response(actor=actor, request_id=row.pk).headers["Content-Type"] == "application/zip"
    PrivacyRequest.objects.filter(pk=row.pk).update(expires_at=timezone.now())
    privacy_runs.sweep()
    row.refresh_from_db()
    assert (row.parcel, row.sealed_parcel_key) == ("", "")
    with pytest.raises(Conflict):
        privacy.download(actor=actor, request_id=row.pk)


@pytest.mark.django_db(transaction=True)
def test_an_erasure_leaves_no_word_and_the_chain_whole(people: People):
    ensure_defaults()
    user = someone()
    actor = Actor.for_user(user)
    room = create_workspace(actor=SETUP, name=f"{NAME}'s own", personal_of=user)
    DocumentFactory(actor=actor, workspace=room, title="Own", body_markdown=f"# Own\n\n{WORDS}\n")
    ready_source(room, actor=actor, text=f"# Ferns\n\nThe {FILED} grows slowly in the shade of old walls.\n")
    shared = DocumentFactory(workspace=people.press, title="Shared")
    Document.objects.filter(pk=shared.pk).update(owner=user)
    admin = people.actor("alma")
    exported = carried_out(privacy.ask(actor=actor, kind="export"))
    row = privacy.ask(actor=actor, kind="erase", wish=f"{NAME} asks")
    privacy.approve(actor=admin, request_id=row.pk)
    row = carried_out(row)
    assert (row.state, row.error) == ("done", "")
    assert row.person is None
    for words in (NAME, "quillon@", WORDS, FILED):
        assert holding(words) == [], words
    assert not User.objects.filter(pk=user.pk).exists()
    assert not Workspace.objects.filter(pk=room.pk).exists()
    assert not Source.objects.exists()
    assert not StoredBlob.objects.unreferenced().exists()
    shared.refresh_from_db()
    assert shared.owner is None
    assert DocumentVersion.objects.filter(document=shared).exists()
    assert any("shared workspaces: 1" in line for line in row.report["kept"])
    exported.refresh_from_db()
    assert exported.parcel == ""
    assert SubjectKey.objects.get(pk=user.pk).sealed_key == ""
    seal_pending()
    call_command("audit", "verify")
    # A restore brings the account back: it goes again.
    back = User.objects.create(pk=user.pk, email="quillon@example.org", full_name=NAME)
    privacy_erasure.erase_again()
    again = PrivacyRequest.objects.get(person=back, state="queued")
    assert carried_out(again).state == "done"
    assert holding("quillon@") == []


def test_pages_of_the_person_and_of_the_desk(people: People, portal):
    wanda, alma = portal("wanda"), portal("alma")
    answer = wanda.post("/privacy/", {"kind": "erase", "wish": "Please"})
    assert answer.status_code == 302
    row = PrivacyRequest.objects.get()
    assert b"Needs a decision" in wanda.get("/privacy/").content
    assert wanda.get("/admin/users/privacyrequest/").status_code in (302, 403)
    assert b"needs a decision" in alma.get("/admin/users/privacyrequest/").content
    page = f"/admin/users/privacyrequest/{row.pk}/change/"
    assert b"Erase for good" in alma.get(page).content
    assert (
        alma.post("/admin/users/privacyrequest/hold/", {"email": "wanda@example.org", "reason": "Case"}).status_code
        == 302
    )
    assert LegalHold.objects.filter(user=people.wanda, lifted_at=None).exists()
    alma.post(page, {"decision": "approve"})
    row.refresh_from_db()
    assert row.state == "waiting"
    alma.post(page, {"decision": "refuse", "answer": "A case is pending"})
    row.refresh_from_db()
    assert row.state == "refused"
    assert b"A case is pending" in wanda.get("/privacy/").content
    answer = alma.post(
        "/admin/users/privacyrequest/receive/",
        {"kind": "export", "of": "nobody@example.org", "identity": "seen", "wish": ""},
    )
    assert (answer.status_code, b"Nobody has an account" in answer.content) == (400, True)


def test_rows_go_after_their_days_and_the_oldest_proves_it(people: People):
    for days in (91, 93, 1):
        row = notify(people.wanda, "generation.finished", f"{days} days old")
        Notification.objects.filter(pk=row.pk).update(created_at=timezone.now() - dt.timedelta(days=days))
    assert retention_kept.run().status == "warn"
    assert retention.prune() >= 2
    assert list(people.wanda.notifications.values_list("title", flat=True)) == ["1 days old"]
    assert retention_kept.run().status == "ok"
