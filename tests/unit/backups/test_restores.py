"""Drills and restores: what comes back, what is refused, what can be undone."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.backends.models import BackendProfile, StoredBlob, StoredFile
from apps.backends.services.filestore import open_file
from apps.backends.services.profiles import update_profile
from apps.backends.services.residency import set_rule
from apps.backups.models import BackupSet, Destination, Drill, Restore
from apps.backups.services import jobs, repositories, restoring, switching
from apps.backups.services.contents import SECRETS
from apps.backups.services.drills import start_drill
from apps.backups.services.jobs import request_stop
from apps.backups.services.progress import StopRequested
from apps.backups.services.restores import CONFIRM, plan_restore, start_restore, undo_restore
from apps.backups.services.working import carry_out
from apps.content.models import Document, Tag
from apps.content.services.documents import save_document
from apps.content.services.pictures import add_picture
from apps.content.services.versioning import digest
from apps.users.models import ApiToken, AuditEvent, User, Workspace
from apps.users.services.tokens import create_token
from tests.factories.backends import storage_profile
from tests.factories.content import DocumentFactory
from tests.factories.users import SETUP
from tests.people import People

BackUp = Callable[..., BackupSet]
# On SQLite a backup reads through the test's own connection; PostgreSQL wants the rows committed.
SEEN = pytest.mark.django_db(transaction=connection.vendor == "postgresql")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60


def illustrated(people: People) -> tuple[Document, StoredFile]:
    """A document of press in two versions, with a picture."""
    document = DocumentFactory(workspace=people.press, title="Harbour lights")
    picture = add_picture(actor=SETUP, document_id=document.pk, name="lamp.png", stream=io.BytesIO(PNG))
    document = save_document(
        actor=SETUP,
        document_id=document.pk,
        revision=Document.objects.get(pk=document.pk).revision,
        body_markdown=f"Lights.\n\n![lamp](/pictures/{picture.pk})\n",
        label="second",
    )
    return document, picture


def restored(scope: str, row: BackupSet, subject: str = "") -> Restore:
    """Plan, agree, carry out."""
    plan = plan_restore(actor=SETUP, set_id=row.pk, scope=scope, subject=subject)
    start_restore(actor=SETUP, restore_id=plan.pk, confirm=CONFIRM.get(scope, ""), wake=False)
    carry_out("restore", plan.pk)
    return Restore.objects.get(pk=plan.pk)


def lose(document: Document, picture: StoredFile) -> None:
    """Delete a document for good, with its picture, down to the bytes."""
    blob = picture.blob
    document.delete()
    picture.delete()
    path = next(Path(settings.DATA_DIR).rglob(Path(blob.storage_name).name))
    StoredBlob.objects.filter(pk=blob.pk).delete()
    path.unlink()


@SEEN
def test_a_workspace_comes_back_with_documents_files_and_members(
    files: BackendProfile, people: People, back_up: BackUp
) -> None:
    document, picture = illustrated(people)
    binned = DocumentFactory(workspace=people.press, title="In the bin since")
    other = DocumentFactory(workspace=people.rival, title="Elsewhere")
    tag = Tag.objects.create(workspace=people.press, name="coast")
    assert people.wanda
    create_token(actor=people.actor("wanda"), name="old", scopes=["content.read"])
    key, picture_key = document.pk, picture.pk
    row = back_up()
    token = ApiToken.objects.get()
    token.delete()
    lose(document, picture)
    tag.delete()
    taken = Tag.objects.create(workspace=people.press, name="coast")
    Document.objects.filter(pk=binned.pk).update(deleted_at=timezone.now())
    people.wanda.memberships.all().delete()
    DocumentFactory(workspace=people.press, title="Newer than the set")
    done = restored("workspace", row, str(people.press.pk))
    assert done.state == "succeeded", f"{done.error}\n{done.log}"
    back = Document.objects.get(pk=key)
    assert back.versions.count() == 2
    assert open_file(actor=SETUP, file=StoredFile.objects.get(pk=picture_key)).read() == PNG
    assert people.wanda.memberships.filter(workspace=people.press).exists()
    assert Document.objects.get(pk=binned.pk).deleted_at is None
    # Nothing of today is changed, what was revoked stays revoked, and a name that is taken is not taken twice.
    assert Document.objects.filter(title="Newer than the set").exists()
    assert Document.objects.filter(pk=other.pk).exists()
    assert not ApiToken.objects.exists()
    assert list(Tag.objects.values_list("pk", flat=True)) == [taken.pk]


@SEEN
def test_a_workspace_stands_as_a_copy_beside_the_present_one(
    files: BackendProfile, people: People, back_up: BackUp
) -> None:
    document, picture = illustrated(people)
    tag = Tag.objects.create(workspace=people.press, name="coast")
    document.tags.add(tag)
    assert people.wanda
    row = back_up()
    save_document(
        actor=SETUP,
        document_id=document.pk,
        revision=Document.objects.get(pk=document.pk).revision,
        body_markdown="Newer than the set.",
    )
    done = restored("copy", row, str(people.press.pk))
    assert done.state == "succeeded", f"{done.error}\n{done.log}"
    copy = Workspace.objects.get(pk=done.result["workspace"])
    assert copy.name.startswith(people.press.name)
    assert copy.slug != people.press.slug
    there = Document.objects.get(workspace=copy)
    assert there.pk != document.pk
    assert [each.name for each in there.tags.all()] == ["coast"]
    assert there.tags.get().pk != tag.pk
    assert there.versions.count() == 2
    assert there.current_version is not None
    # The text names the copy's own picture, which has the same bytes.
    own = StoredFile.objects.get(workspace=copy)
    assert own.pk != picture.pk
    assert f"/pictures/{own.pk}" in there.body_markdown
    assert str(picture.pk) not in there.body_markdown
    assert open_file(actor=SETUP, file=own).read() == PNG
    assert there.current_version.sha256 == digest(there.current_version.title, there.current_version.body_markdown)
    assert people.wanda.memberships.filter(workspace=copy).exists()
    # The present one is untouched, and a second copy is one more.
    assert Document.objects.get(pk=document.pk).body_markdown == "Newer than the set."
    assert restored("copy", row, str(people.press.pk)).state == "succeeded"
    assert Workspace.objects.filter(name=copy.name).count() == 2


@SEEN
def test_a_deleted_document_comes_back_with_versions_and_files(
    files: BackendProfile, people: People, back_up: BackUp
) -> None:
    document, picture = illustrated(people)
    other = DocumentFactory(workspace=people.press, title="Stays as it is")
    row = back_up()
    texts = list(document.versions.order_by("number").values_list("number", "body_markdown", "created_at"))
    key, changed, picture_id = document.pk, document.updated_at, picture.pk
    lose(document, picture)
    save_document(actor=SETUP, document_id=other.pk, revision=other.revision, body_markdown="Newer than the set.")
    done = restored("document", row, f"https://portal.example/documents/{key}/")
    assert done.state == "succeeded", done.error
    back = Document.objects.get(pk=key)
    assert list(back.versions.order_by("number").values_list("number", "body_markdown", "created_at")) == texts
    assert (back.title, back.updated_at, back.current_version_id is not None) == ("Harbour lights", changed, True)
    assert open_file(actor=SETUP, file=StoredFile.objects.get(pk=picture_id)).read() == PNG
    other.refresh_from_db()
    assert other.body_markdown == "Newer than the set."
    assert AuditEvent.objects.filter(action="backup.restored", workspace_id=people.press.pk).exists()


@SEEN
def test_contents_come_back_to_a_storage_that_the_workspace_allows(
    files: BackendProfile, people: People, back_up: BackUp
) -> None:
    document, picture = illustrated(people)
    row = back_up()
    key, picture_id = document.pk, picture.pk
    lose(document, picture)
    away = storage_profile("Away", root=str(Path(settings.DATA_DIR) / "away"))
    for profile, region in ((files, "local"), (away, "us")):
        update_profile(actor=SETUP, profile_id=profile.pk, region=region)
    set_rule(actor=SETUP, workspace_id=people.press.pk, regions=["local"], backends=None)
    done = restored("document", row, str(key))
    assert done.state == "succeeded", done.error
    assert StoredFile.objects.get(pk=picture_id).blob.profile_id == files.pk


@SEEN
def test_what_is_there_is_not_touched(files: BackendProfile, people: People, back_up: BackUp) -> None:
    document, _ = illustrated(people)
    row = back_up()
    done = restored("document", row, str(document.pk))
    assert (done.state, done.exit_code) == ("failed", 6)
    assert "nothing of it is missing" in done.error
    Document.objects.filter(pk=document.pk).update(deleted_at=row.created_at)
    assert restored("document", row, str(document.pk)).state == "succeeded"
    document.refresh_from_db()
    assert document.deleted_at is None


@SEEN
def test_a_file_whose_bytes_are_lost_gets_them_back(files: BackendProfile, people: People, back_up: BackUp) -> None:
    _, picture = illustrated(people)
    row = back_up()
    next(Path(settings.DATA_DIR).rglob(Path(picture.blob.storage_name).name)).write_bytes(b"rot")
    done = restored("file", row, str(picture.pk))
    assert done.state == "succeeded", done.error
    assert open_file(actor=SETUP, file=StoredFile.objects.get(pk=picture.pk)).read() == PNG


def given_key(row: BackupSet) -> tuple[Restore, Path]:
    """A plan for which a person has given the key, and where that key lies."""
    key = secretrefs.resolve(row.destination.identity_ref).reveal()
    plan = plan_restore(actor=SETUP, set_id=row.pk, scope="file", subject=str(row.pk), identity=key)
    return plan, Path(settings.SECRETS_DIR) / plan.identity_ref.removeprefix("file:")


@SEEN
def test_a_key_that_was_given_lives_as_long_as_its_restore(files: BackendProfile, back_up: BackUp) -> None:
    thrown_away, first = given_key(back_up())
    request_stop(actor=SETUP, job=thrown_away)
    assert not first.exists()
    carried_out, second = given_key(BackupSet.objects.get())
    start_restore(actor=SETUP, restore_id=carried_out.pk, wake=False)

    def the_worker_goes_away(restore: Restore, progress: object) -> None:
        raise StopRequested("The worker has ended.")

    jobs.carry_out(carried_out, the_worker_goes_away)
    carried_out.refresh_from_db()
    assert carried_out.state == "queued"
    assert second.exists(), "the worker that goes on needs it"
    assert carry_out("restore", carried_out.pk).state == "failed"
    assert not second.exists()
    assert Restore.objects.exclude(identity_ref="").count() == 0


@SEEN
def test_no_set_holds_a_key_that_was_given_for_a_restore(files: BackendProfile, back_up: BackUp) -> None:
    _, path = given_key(back_up())
    row = back_up()
    with repositories.open_repository(row.destination, reading=True).reader(row.name).open(SECRETS) as entry:
        kept = json.loads(entry.read())["files"]
    assert kept
    assert f"secrets/{path.name}" not in kept


@SEEN
def test_a_drill_uses_what_it_restored(
    files: BackendProfile, people: People, back_up: BackUp, place: Destination
) -> None:
    illustrated(people)
    # The hasher of the tests is not one that the product knows.
    User.objects.filter(pk=people.alma.pk).update(
        password=PBKDF2PasswordHasher().encode("long enough for us", "salt", 1)
    )
    row = back_up()
    drill = start_drill(actor=SETUP, destination_id=place.pk, wake=False)
    done = carry_out("drill", drill.pk)
    assert done.state == "succeeded", f"{done.error}\n{done.log}"
    found = Drill.objects.get(pk=drill.pk)
    assert {each["what"]: each["ok"] for each in found.findings} == {
        "Rows and digests of all tables": True,
        "Files": True,
        "Migrations": True,
        "Signing in": True,
        "Opening documents": True,
        "Searching documents": True,
        "Searching sources": True,
    }
    assert found.rto_seconds is not None
    assert found.rpo_seconds is not None
    assert set(found.phases) == {"opening", "keys", "database", "comparing", "files", "using"}
    row.refresh_from_db()
    assert (row.state, row.drilled_at is not None) == ("drilled", True)
    assert not any(Path(settings.DATA_DIR, "backups", "scratch").iterdir())


@pytest.mark.django_db
def test_a_drill_without_an_administrator_fails_and_says_so(
    people: People, back_up: BackUp, place: Destination
) -> None:
    row = back_up()
    drill = start_drill(actor=SETUP, destination_id=place.pk, wake=False)
    done = carry_out("drill", drill.pk)
    assert (done.state, done.exit_code) == ("failed", 14)
    assert "administrator" in done.error
    row.refresh_from_db()
    assert row.state == BackupSet.State.SUSPICIOUS


def test_the_database_goes_back_and_forth(
    transactional_db: None, files: BackendProfile, people: People, back_up: BackUp, place: Destination
) -> None:
    kept = DocumentFactory(workspace=people.press, title="Before")
    row = back_up()
    later = DocumentFactory(workspace=people.press, title="After")
    done = restored("database", row)
    try:
        assert done.state == "succeeded", f"{done.error}\n{done.log}"
        assert list(Document.objects.values_list("pk", flat=True)) == [kept.pk]
        # The list of sets and the record did not go back in time.
        assert BackupSet.objects.filter(pin__startswith="before").count() == 1
        assert AuditEvent.objects.filter(action="document.created", object_id=str(later.pk)).exists()
        undone = undo_restore(actor=SETUP, restore_id=done.pk)
        assert undone.state == "undone"
        assert set(Document.objects.values_list("pk", flat=True)) == {kept.pk, later.pk}
        with pytest.raises(Conflict):
            undo_restore(actor=SETUP, restore_id=done.pk)
    finally:
        switching.forget_before(Restore.objects.get(pk=done.pk))


def test_nothing_moves_before_somebody_has_agreed(db: None, people: People, back_up: BackUp) -> None:
    row = back_up()
    plan = plan_restore(actor=people.actor("alma"), set_id=row.pk, scope="database")
    assert plan.plan["problems"] == []
    assert plan.plan["steps"]
    assert plan.plan["lost_seconds"] >= 0
    with pytest.raises(InvalidInput) as refused:
        start_restore(actor=people.actor("alma"), restore_id=plan.pk, confirm="yes")
    assert refused.value.field == "confirm"
    with pytest.raises(PermissionDenied):
        plan_restore(actor=people.actor("otto"), set_id=row.pk, scope="database")


def test_sets_that_do_not_fit_are_refused(db: None, people: People, back_up: BackUp, monkeypatch: Any) -> None:
    row = back_up()
    other = "postgresql" if connection.vendor == "sqlite" else "sqlite"

    monkeypatch.setattr(restoring, "connection", type("Elsewhere", (), {"vendor": other}))
    plan = plan_restore(actor=SETUP, set_id=row.pk, scope="database")
    assert "The set was made of" in plan.plan["problems"][0]
    with pytest.raises(Conflict):
        start_restore(actor=SETUP, restore_id=plan.pk, confirm=CONFIRM["database"])


@SEEN
def test_unknown_things_are_named(people: People, back_up: BackUp) -> None:
    row = back_up()
    with pytest.raises(InvalidInput) as refused:
        plan_restore(actor=SETUP, set_id=row.pk, scope="document", subject="my article")
    assert refused.value.field == "subject"
    with pytest.raises(NotFound):
        plan_restore(actor=SETUP, set_id="nothing-like-it", scope="database")
    done = restored("document", row, "01890a5d-ac96-774b-bcce-b302099a8057")
    assert (done.state, done.exit_code) == ("failed", 5)
