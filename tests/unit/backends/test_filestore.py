"""Files go in whole, come out as they were, and only to those who may have them."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from aiwriter.core import keyring
from aiwriter.core.errors import InvalidInput, NotFound, PermissionDenied, StorageFull, TooLarge, Unavailable
from apps.backends.models import BackendProfile, StoredBlob, StoredFile
from apps.backends.services import blobs, encryption, filestore
from apps.backends.services.garbage import GRACE, collect_garbage
from apps.users.models import Membership
from tests.factories.backends import storage_profile
from tests.people import People

pytestmark = pytest.mark.django_db


def put(
    people: People, data: bytes = b"some bytes", name: str = "notes.txt", who: str = "wanda", **options
) -> StoredFile:  # type: ignore[no-untyped-def]
    workspace = people.rival if who == "eve" else people.press
    return filestore.put_file(
        actor=people.actor(who), workspace=workspace, name=name, stream=io.BytesIO(data), **options
    )


def read(people: People, file: StoredFile, who: str = "wanda", version: int | None = None) -> bytes:
    with filestore.open_file(actor=people.actor(who), file=file, version=version) as reader:
        return reader.read()


def on_disk(settings) -> list[Path]:  # type: ignore[no-untyped-def]
    folder = Path(settings.DATA_DIR)
    return sorted(path for path in folder.rglob("blobs/*/*/*") if path.is_file())


class TestPutting:
    @pytest.mark.parametrize("size", [1, 255, blobs.PIECE - 1, blobs.PIECE, blobs.PIECE * 3 + 17])
    def test_every_size_comes_back(self, people: People, size: int) -> None:
        storage_profile()
        data = os.urandom(size)
        file = put(people, data)
        assert read(people, file) == data
        assert (file.blob.size, file.blob.sha256) == (size, hashlib.sha256(data).hexdigest())

    def test_equal_bytes_are_kept_once_across_workspaces(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        storage_profile()
        one, two = put(people, b"same"), put(people, b"same", who="eve")
        assert one.blob_id == two.blob_id
        assert one.pk != two.pk
        assert len(on_disk(settings)) == 1

    def test_an_empty_file_is_refused(self, people: People) -> None:
        storage_profile()
        with pytest.raises(InvalidInput, match="empty"):
            put(people, b"")

    def test_a_file_over_the_limit_is_refused_while_it_comes(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        storage_profile()
        taken = 0

        class Endless:
            def read(self, size: int = -1) -> bytes:
                nonlocal taken
                taken += size
                return b"x" * size

        settings.MAX_UPLOAD_BYTES = 1_000_000
        with pytest.raises(TooLarge, match="AIWRITER_MAX_UPLOAD_MB"):
            filestore.put_file(actor=people.actor("wanda"), workspace=people.press, name="a", stream=Endless())
        assert taken < 2_000_000
        assert not StoredFile.objects.exists()

    def test_no_storage(self, people: People) -> None:
        with pytest.raises(Unavailable, match="No file storage"):
            put(people)

    def test_names_are_for_showing_only(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        storage_profile()
        for name in (
            "../../etc/passwd",
            "/etc/passwd",
            "..\\..\\boot.ini",
            "a\x00b/../c",
            "...",
            "",
            "x" * 400 + ".pdf",
        ):
            file = put(people, name.encode() or b"-", name=name)
            assert "/" not in file.name
            assert "\\" not in file.name
            assert file.name
            assert len(file.name) <= 255
        outside = list(Path(settings.DATA_DIR).rglob("*passwd*"))
        assert not outside
        assert filestore.clean_name("x" * 400 + ".pdf").endswith(".pdf")

    @given(st.text(max_size=300))
    def test_no_name_breaks_out(self, name: str) -> None:
        clean = filestore.clean_name(name)
        assert clean
        assert not set(clean) & set("/\\\x00\n\r")
        assert len(clean) <= 255

    def test_a_full_disk_changes_nothing_and_says_so(self, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
        full = Path("/dev/full")
        if not full.exists():
            pytest.fail("this test needs /dev/full")
        storage_profile()
        # The real device that answers every write with "no space left".
        monkeypatch.setattr(blobs.tempfile, "TemporaryFile", lambda dir: full.open("r+b"))
        with pytest.raises(StorageFull, match="No space"):
            put(people, os.urandom(300_000))
        assert not StoredFile.objects.exists()
        assert not StoredBlob.objects.exists()

    def test_versions_stay_readable(self, people: People) -> None:
        storage_profile()
        file = put(people, b"first")
        filestore.put_version(actor=people.actor("wanda"), file=file, stream=io.BytesIO(b"second"))
        file.refresh_from_db()
        assert file.version == 2
        assert read(people, file) == b"second"
        assert read(people, file, version=1) == b"first"
        with pytest.raises(NotFound):
            read(people, file, version=3)
        unchanged = filestore.put_version(actor=people.actor("wanda"), file=file, stream=io.BytesIO(b"second"))
        assert unchanged.version == 2


class TestReading:
    def test_a_flipped_bit_is_found_and_remembered(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        storage_profile()
        file = put(people, b"a text that matters")
        (path,) = on_disk(settings)
        raw = bytearray(path.read_bytes())
        raw[3] ^= 1
        path.write_bytes(raw)
        with pytest.raises(Unavailable, match="checksum"):
            read(people, file)
        assert StoredBlob.objects.get().damaged_at is not None
        with pytest.raises(Unavailable, match="damaged"), filestore.local_copy(file):
            pytest.fail("a damaged file was handed on")

    def test_a_missing_file_is_told_as_such_and_mended_by_the_same_bytes(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        storage_profile()
        file = put(people, b"bytes")
        on_disk(settings)[0].unlink()
        with pytest.raises(Unavailable, match="missing"):
            read(people, file)
        put(people, b"bytes", name="again.txt")
        assert read(people, file) == b"bytes"

    def test_a_local_copy_goes_away(self, people: People) -> None:
        storage_profile()
        file = put(people, b"for a parser", name="report.PDF")
        with filestore.local_copy(file) as path:
            assert path.read_bytes() == b"for a parser"
            assert path.suffix == ".PDF"
        assert not path.exists()

    def test_others_do_not_learn_that_it_exists(self, people: People) -> None:
        storage_profile()
        file = put(people)
        assert read(people, file, who="eddie") == b"some bytes"
        with pytest.raises(NotFound):
            filestore.get_file(people.actor("eve"), file.pk)
        with pytest.raises(NotFound):
            read(people, file, who="eve")
        with pytest.raises(NotFound):
            filestore.delete_file(actor=people.actor("eve"), file=file)
        with pytest.raises((NotFound, PermissionDenied)):
            read(people, file, who="otto")


class TestLinks:
    def test_a_link_is_for_one_person_and_one_file(self, people: People) -> None:
        storage_profile()
        file = put(people)
        token = filestore.signed_link(actor=people.actor("wanda"), file=file).rpartition("/")[2]
        assert filestore.file_of_link(people.actor("wanda"), token).pk == file.pk
        with pytest.raises(NotFound):
            filestore.file_of_link(people.actor("eddie"), token)
        with pytest.raises(InvalidInput):
            filestore.file_of_link(people.actor("wanda"), token[:-2] + "xx")

    def test_it_expires(self, people: People) -> None:
        storage_profile()
        token = filestore.signed_link(actor=people.actor("wanda"), file=put(people), seconds=-1).rpartition("/")[2]
        with pytest.raises(PermissionDenied, match="expired") as caught:
            filestore.file_of_link(people.actor("wanda"), token)
        assert caught.value.remedy

    def test_permission_is_asked_when_it_is_opened(self, people: People) -> None:
        storage_profile()
        token = filestore.signed_link(actor=people.actor("wanda"), file=put(people)).rpartition("/")[2]
        Membership.objects.filter(user=people.wanda).delete()
        with pytest.raises(NotFound):
            filestore.file_of_link(people.actor("wanda"), token)


class TestEncryption:
    def test_nothing_readable_reaches_the_storage(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        storage_profile(encrypt=True)
        data = b"a very secret sentence. " * 20_000
        file = put(people, data)
        (path,) = on_disk(settings)
        raw = path.read_bytes()
        assert b"secret" not in raw
        assert raw.startswith(encryption.MAGIC)
        assert len(raw) == encryption.encrypted_size(len(data))
        assert read(people, file) == data
        assert StoredBlob.objects.get().key_id == keyring.active("file").id

    @pytest.mark.parametrize(
        "size", [0, 1, encryption.PIECE - 1, encryption.PIECE, encryption.PIECE + 1, encryption.PIECE * 3]
    )
    def test_round_trip_whatever_the_pieces(self, size: int) -> None:
        _, key = encryption.current_key()
        data = os.urandom(size)
        sealed = b"".join(encryption.encrypt(io.BytesIO(data), key))
        assert len(sealed) == encryption.encrypted_size(size)
        for step in (1000, 65_552, 10**9):
            parts = [sealed[at : at + step] for at in range(0, len(sealed), step)]
            assert b"".join(encryption.decrypt(parts, key)) == data

    @pytest.mark.parametrize("harm", ["flip", "cut", "cut-piece", "swap", "key", "head", "empty"])
    def test_every_change_is_found(self, harm: str) -> None:
        _, key = encryption.current_key()
        sealed = b"".join(encryption.encrypt(io.BytesIO(os.urandom(encryption.PIECE * 3 + 5)), key))
        head, piece = 28, encryption.PIECE + 16
        parts = [sealed[head + n * piece : head + (n + 1) * piece] for n in range(4)]
        changed = {
            "flip": sealed[:5000] + bytes([sealed[5000] ^ 1]) + sealed[5001:],
            "cut": sealed[:-3],
            "cut-piece": sealed[:head] + b"".join(parts[:3]),
            "swap": sealed[:head] + parts[1] + parts[0] + parts[2] + parts[3],
            "key": sealed,
            "head": b"AWF2" + sealed[4:],
            "empty": b"",
        }[harm]
        used = os.urandom(32) if harm == "key" else key
        with pytest.raises(encryption.Damaged):
            list(encryption.decrypt([changed], used))


class TestGarbage:
    def collect(self) -> None:
        collect_garbage(grace=GRACE * 0)

    def test_in_two_steps_after_a_grace(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        storage_profile()
        file = put(people)
        filestore.delete_file(actor=people.actor("wanda"), file=file)
        assert collect_garbage().marked == 1
        assert collect_garbage().deleted == 0
        assert len(on_disk(settings)) == 1
        StoredBlob.objects.update(condemned_at=timezone.now() - GRACE)
        assert collect_garbage().deleted == 1
        assert on_disk(settings) == []

    def test_what_is_referred_to_stays_old_versions_included(self, people: People) -> None:
        storage_profile()
        file = put(people, b"first")
        filestore.put_version(actor=people.actor("wanda"), file=file, stream=io.BytesIO(b"second"))
        shared = put(people, b"first", who="eve")
        self.collect()
        self.collect()
        assert StoredBlob.objects.count() == 2
        filestore.delete_file(actor=people.actor("wanda"), file=file)
        self.collect()
        assert read(people, shared, who="eve") == b"first"
        assert StoredBlob.objects.count() == 1

    def test_a_condemned_blob_that_is_stored_again_is_saved(self, people: People) -> None:
        storage_profile()
        filestore.delete_file(actor=people.actor("wanda"), file=put(people))
        StoredBlob.objects.update(condemned_at=timezone.now() - GRACE * 2)
        again = put(people)
        assert collect_garbage().deleted == 0
        assert read(people, again) == b"some bytes"
        assert StoredBlob.objects.get().condemned_at is None

    def test_bytes_without_a_row_are_swept_when_they_are_old(self, people: People, settings) -> None:  # type: ignore[no-untyped-def]
        profile = storage_profile()
        kept = put(people)
        place = blobs.open_storage(profile)
        with blobs.received(io.BytesIO(b"orphan")) as incoming:
            blobs.save(place, incoming)
        assert collect_garbage().strays == 0
        assert len(on_disk(settings)) == 2
        collect_garbage(stray_age=GRACE * 0)
        assert len(on_disk(settings)) == 1
        assert read(people, kept) == b"some bytes"


def test_working_copies_of_a_killed_process_are_swept(people: People) -> None:
    storage_profile()
    folder = blobs.temporary_folder()
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    past = (timezone.now() - GRACE * 2).timestamp()
    os.utime(old, (past, past))
    collect_garbage()
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.django_db(transaction=True)
def test_collector_and_writers_of_the_same_bytes_never_lose_a_file(people: People) -> None:
    """Writers store and delete the same content over and over while the collector has no patience at all."""
    storage_profile()
    people.wanda  # noqa: B018  made before the threads start
    stop = threading.Event()
    failures: list[BaseException] = []
    survivors: list[StoredFile] = []

    def writer(number: int) -> None:
        try:
            for round_ in range(12):
                file = put(people, b"fought over")
                if read(people, file) != b"fought over":
                    failures.append(AssertionError("wrong bytes"))
                if round_ < 11 or number:
                    filestore.delete_file(actor=people.actor("wanda"), file=file)
                else:
                    survivors.append(file)
        except BaseException as error:  # noqa: BLE001 - a thread must report whatever stops it
            failures.append(error)
        finally:
            connections.close_all()

    def collector() -> None:
        try:
            while not stop.is_set():
                collect_garbage(grace=GRACE * 0)
        except BaseException as error:  # noqa: BLE001 - a thread must report whatever stops it
            failures.append(error)
        finally:
            connections.close_all()

    sweeping = threading.Thread(target=collector)
    writers = [threading.Thread(target=writer, args=(n,)) for n in range(3)]
    for thread in [sweeping, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    sweeping.join()
    assert not failures, failures
    collect_garbage(grace=GRACE * 0)
    assert read(people, survivors[0]) == b"fought over"
    assert StoredBlob.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_sixteen_that_store_the_same_bytes_at_once_make_one_blob(people: People, settings) -> None:  # type: ignore[no-untyped-def]
    storage_profile()
    people.wanda  # noqa: B018
    start = threading.Barrier(16)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            start.wait()
            put(people, b"all at once")
        except BaseException as error:  # noqa: BLE001 - a thread must report whatever stops it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert (StoredFile.objects.count(), StoredBlob.objects.count()) == (16, 1)
    assert len(on_disk(settings)) == 1


def test_a_blob_cannot_be_deleted_while_a_file_names_it(people: People) -> None:
    from django.db.models import ProtectedError

    storage_profile()
    file = put(people)
    with pytest.raises(ProtectedError), transaction.atomic():
        file.blob.delete()
    assert BackendProfile.objects.get().blobs.count() == 1
