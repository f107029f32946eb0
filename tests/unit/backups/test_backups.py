"""Backups: what is in a set, what makes one incomplete or suspicious, who may make one."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from aiwriter.core import secretrefs
from aiwriter.core.errors import InvalidInput, PermissionDenied
from apps.backends.models import BackendProfile, StoredBlob
from apps.backends.services.filestore import put_file
from apps.backups.models import BackupRun, BackupSet, Destination, Policy
from apps.backups.repository import Repository, make_identity
from apps.backups.repository.errors import KeyNeeded
from apps.backups.services import jobs, retention
from apps.backups.services.backups import start_backup
from apps.backups.services.contents import PORTAL, SECRETS, file_entry
from apps.backups.services.destinations import (
    change_recipients,
    create_destination,
    forget_identity,
)
from apps.backups.services.rekeying import keys_of, start_reencrypt, try_key
from apps.backups.services.repositories import open_repository
from apps.backups.services.upkeep import accept_set, pin_set, start_upkeep
from apps.backups.services.working import carry_out
from apps.users.models import AuditEvent, Notification
from tests.factories.users import SETUP
from tests.people import People

BackUp = Callable[..., BackupSet]
# On SQLite a backup reads through the test's own connection; PostgreSQL wants the rows committed.
SEEN = pytest.mark.django_db(transaction=connection.vendor == "postgresql")


def stored(people: People, content: bytes) -> StoredBlob:
    """A file of the press office."""
    return put_file(actor=SETUP, workspace=people.press, name="notes.txt", stream=io.BytesIO(content)).blob


def path_of(blob: StoredBlob) -> Path:
    """Where a test's local storage keeps a blob."""
    return next(Path(settings.DATA_DIR).rglob(Path(blob.storage_name).name))


@SEEN
def test_a_set_holds_database_files_and_configuration(
    files: BackendProfile, people: People, back_up: BackUp, place: Destination
) -> None:
    blob = stored(people, b"What the lighthouse keeper wrote.")
    row = back_up()
    assert row.state == BackupSet.State.VERIFIED
    assert (row.files, row.missing, row.engine) == (1, [], connection.vendor)
    reader = open_repository(place, reading=True).reader(row.name)
    assert reader.open(file_entry(blob.sha256)).read() == b"What the lighthouse keeper wrote."
    paths = {entry.path for entry in reader.entries()}
    assert {PORTAL, SECRETS} < paths
    tables = reader.info.extra["database"]["tables"]
    assert tables["backends_storedblob"]["rows"] == 1
    newest = sorted(name for app, name in MigrationLoader(connection).disk_migrations if app == "backups")[-1]
    assert reader.info.extra["database"]["heads"]["backups"] == newest


def test_secrets_are_in_the_set_and_only_for_its_recipients(db: None, back_up: BackUp, place: Destination) -> None:
    reference = secretrefs.store("probe", "a-secret-that-is-looked-for")
    kept = (Path(settings.SECRETS_DIR) / reference.removeprefix("file:")).read_bytes()
    assert b"a-secret-that-is-looked-for" not in kept  # sealed with the keyring, which is in the set as well
    row = back_up()
    key = secretrefs.resolve(place.identity_ref).reveal()
    bundle = open_repository(place, reading=True).reader(row.name).open(SECRETS).read().decode()
    assert base64.b64encode(kept).decode() in bundle
    assert "keys/keyring.json" in bundle
    assert base64.b64encode(key.encode()).decode() not in bundle
    opened = open_repository(place)
    without_key = Repository.open(opened.store, writer_secret=opened.writer_secret)
    with pytest.raises(KeyNeeded):
        without_key.reader(row.name).open(SECRETS)


@SEEN
def test_a_content_is_stored_once_and_not_read_again(files: BackendProfile, people: People, back_up: BackUp) -> None:
    blob = stored(people, b"x" * 300_000)
    back_up()
    path_of(blob).write_bytes(b"y" * 300_000)  # a second reading would find this, and call the file damaged
    second = back_up()
    assert second.state == BackupSet.State.VERIFIED
    assert second.bytes_added < 100_000


@SEEN
def test_a_missing_file_makes_the_set_incomplete_and_freezes_deleting(
    files: BackendProfile, people: People, policy: Policy, place: Destination
) -> None:
    gone = stored(people, b"This one is lost.")
    stored(people, b"This one is there.")
    path_of(gone).unlink()
    otto = people.otto
    run = start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    done = carry_out("run", run.pk)
    assert (done.state, done.exit_code) == ("succeeded", 3)
    row = BackupSet.objects.get()
    assert row.state == BackupSet.State.INCOMPLETE
    assert [each["sha256"] for each in row.missing] == [gone.sha256]
    assert "incomplete" in retention.preview(policy).frozen
    assert Notification.objects.filter(user=otto, kind="backup.suspicious").exists()


def test_a_set_that_has_shrunk_is_suspicious_until_somebody_accepts_it(
    db: None, people: People, policy: Policy, back_up: BackUp, place: Destination
) -> None:
    BackupSet.objects.create(destination=place, name="before", state="verified", rows=1_000_000)
    row = back_up()
    assert row.state == BackupSet.State.SUSPICIOUS
    assert "suspicious" in retention.preview(policy).frozen
    accept_set(actor=people.actor("otto"), set_id=row.pk)
    assert retention.preview(policy).frozen == ""


def test_one_at_a_time(db: None, place: Destination) -> None:
    start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    with pytest.raises(jobs.Busy) as refused:
        start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    assert refused.value.exit_code == 11
    other = start_upkeep(actor=SETUP, destination_id=place.pk, action="verify", wake=False)
    BackupRun.objects.filter(action="backup").update(state="running")
    with pytest.raises(jobs.Busy):
        carry_out("run", other.pk)


def test_a_stopped_run_leaves_no_set(db: None, place: Destination, people: People) -> None:
    run = start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    BackupRun.objects.filter(pk=run.pk).update(stop_requested_at="2026-01-01T00:00:00Z")
    done = carry_out("run", run.pk)
    assert (done.state, done.exit_code) == ("stopped", 3)
    assert not BackupSet.objects.exists()
    waiting = start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    jobs.request_stop(actor=people.actor("otto"), job=waiting)
    assert BackupRun.objects.get(pk=waiting.pk).state == "stopped"


def test_what_a_dead_process_left_is_woken(db: None, place: Destination, run_jobs: Callable[[], list[str]]) -> None:
    run = start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    long_ago = "2026-01-01T00:00:00Z"
    BackupRun.objects.filter(pk=run.pk).update(state="running", lease_until=long_ago, queued_at=long_ago)
    assert jobs.sweep() == 1
    assert BackupRun.objects.get(pk=run.pk).state == "queued"


@SEEN
def test_the_check_finds_damage_and_the_next_set_is_whole(
    files: BackendProfile, people: People, back_up: BackUp, place: Destination, tmp_path: Path
) -> None:
    stored(people, b"z" * 50_000)
    first = back_up()
    pack = max((tmp_path / "repository" / "packs").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    pack.write_bytes(b"\0" + pack.read_bytes()[1:])
    run = start_upkeep(actor=SETUP, destination_id=place.pk, action="verify", wake=False)
    done = carry_out("run", run.pk)
    assert (done.state, done.exit_code) == ("failed", 14)
    first.refresh_from_db()
    assert first.state == BackupSet.State.DAMAGED
    # The next one stores again what the portal still has, and is whole; the state of then is lost.
    second = back_up()
    assert second.state == BackupSet.State.VERIFIED
    first.refresh_from_db()
    assert first.state == BackupSet.State.DAMAGED


def test_a_copy_follows_and_is_checked_by_itself(db: None, back_up: BackUp, place: Destination, tmp_path: Path) -> None:
    back_up()
    mirror, _ = create_destination(actor=SETUP, name="Elsewhere", folder=str(tmp_path / "copy"), mirror_of=place.pk)
    run = start_upkeep(actor=SETUP, destination_id=mirror.pk, action="copy", wake=False)
    done = carry_out("run", run.pk)
    assert done.state == "succeeded", done.error
    mirror.refresh_from_db()
    assert (mirror.missing_objects, mirror.compared_at is not None) == (0, True)
    assert len(open_repository(mirror, reading=True).sets()) == 1


def test_a_wrong_key_has_its_own_exit_code(db: None, back_up: BackUp, place: Destination) -> None:
    back_up()
    with pytest.raises(Exception, match="does not open") as refused:
        open_repository(place, identity=make_identity()[0], reading=True)
    assert refused.value.exit_code == 12  # type: ignore[attr-defined]


def test_keys_change_hands(db: None, back_up: BackUp, place: Destination) -> None:
    row = back_up()
    old = secretrefs.resolve(place.identity_ref).reveal()
    identity, recipient = make_identity()
    change_recipients(actor=SETUP, destination_id=place.pk, recipients=[recipient])
    with pytest.raises(Exception, match="does not open"):
        open_repository(place, identity=old, reading=True)
    with pytest.raises(Exception, match="does not open"):
        start_reencrypt(actor=SETUP, destination_id=place.pk, identity=old, wake=False)
    run = start_reencrypt(actor=SETUP, destination_id=place.pk, identity=identity, wake=False)
    with pytest.raises(jobs.Busy):
        start_reencrypt(actor=SETUP, destination_id=place.pk, identity=identity, wake=False)
    done = carry_out("run", run.pk)
    assert done.state == "succeeded", done.log
    run.refresh_from_db()
    assert run.result["finished"]
    assert run.result["packs"] >= 1
    assert run.identity_ref == ""
    try_key(actor=SETUP, destination_id=place.pk, identity=identity)
    with pytest.raises(Exception, match="does not open"):
        try_key(actor=SETUP, destination_id=place.pk, identity=old)
    found = keys_of(actor=SETUP, destination_id=place.pk)
    assert [each for each, _ in found.recipients] == [recipient]
    assert found.changed_at
    assert found.anew_at
    assert found.tested_at
    reader = open_repository(place, identity=identity, reading=True).reader(row.name)
    assert b'"version"' in reader.open(PORTAL).read()
    with pytest.raises(InvalidInput):
        forget_identity(actor=SETUP, destination_id=place.pk, identity=identity)
    forget_identity(actor=SETUP, destination_id=place.pk, identity=old)
    place.refresh_from_db()
    with pytest.raises(Exception, match="not on this machine") as refused:
        open_repository(place, reading=True)
    assert refused.value.exit_code == 12  # type: ignore[attr-defined]
    assert back_up().state == BackupSet.State.VERIFIED  # it goes on without


def test_who_may(db: None, people: People, place: Destination, back_up: BackUp) -> None:
    row = back_up()
    for name in ("wanda", "eddie", "ada"):
        with pytest.raises(PermissionDenied):
            start_backup(actor=people.actor(name), destination_id=place.pk, wake=False)
    start_backup(actor=people.actor("otto"), destination_id=place.pk, wake=False)
    with pytest.raises(PermissionDenied):
        create_destination(actor=people.actor("otto"), name="Mine", folder="mine")
    pin_set(actor=people.actor("otto"), set_id=row.pk, pin=" before  the move ")
    assert BackupSet.objects.get().pin == "before the move"
    assert AuditEvent.objects.filter(action="backup.pinned", actor_id=f"user:{people.otto.pk}").exists()


@pytest.mark.parametrize("folder", ["", "files/x", "keys", ".", "/", "../"])
def test_a_place_cannot_be_one_of_the_portals_own_folders(db: None, folder: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_destination(actor=SETUP, name="Bad", folder=folder)
    assert refused.value.field == "folder"


def test_the_command_answers_in_json(db: None, place: Destination) -> None:
    output = io.StringIO()
    call_command("backup", "--json", "--pin", "deploy-7", stdout=output)
    assert '"ok": true' in output.getvalue()
    assert BackupSet.objects.get().pin == "deploy-7"
