"""A repository in a storage profile: the engine's five verbs over Django's storages."""

from __future__ import annotations

import pytest

from aiwriter.core.errors import InvalidInput
from apps.backends.models import BackendProfile
from apps.backups.models import Destination
from apps.backups.repository.errors import ObjectMissing
from apps.backups.services.destinations import create_destination
from apps.backups.services.repositories import open_repository
from apps.backups.services.stores import DjangoStorageStore, open_named
from tests.factories.users import SETUP


@pytest.fixture
def store(files: BackendProfile) -> DjangoStorageStore:
    """A part of the storage profile of the tests."""
    return DjangoStorageStore(files, "backups")


def test_the_five_verbs(store: DjangoStorageStore) -> None:
    store.put("packs/ab/abcd", b"0123456789")
    store.put("format", b"one")
    assert store.get("packs/ab/abcd") == b"0123456789"
    assert store.get("packs/ab/abcd", 3, 4) == b"3456"
    assert store.get("packs/ab/abcd", 8, 10) == b"89"
    assert dict(store.names("")) == {"packs/ab/abcd": 10, "format": 3}
    assert dict(store.names("packs/a")) == {"packs/ab/abcd": 10}
    assert dict(store.names("sets/")) == {}
    store.delete("format")
    store.delete("format")
    with pytest.raises(ObjectMissing):
        store.get("format")


def test_a_name_has_its_newest_content_and_no_twin(store: DjangoStorageStore) -> None:
    store.put("keys/0001", b"first")
    store.put("keys/0001", b"other")
    assert store.get("keys/0001") == b"other"
    assert dict(store.names("keys/")) == {"keys/0001": 5}


def test_a_broken_upload_is_replaced(store: DjangoStorageStore) -> None:
    store.put("packs/ab/abcd", b"half")
    store.put("packs/ab/abcd", b"the whole pack")
    assert store.get("packs/ab/abcd") == b"the whole pack"


def test_a_repository_lives_there(files: BackendProfile, db: None) -> None:
    place, identity = create_destination(actor=SETUP, name="Bucket", kind="storage", profile_id=files.pk, prefix="b")
    assert identity
    repository = open_repository(place, reading=True)
    with repository.begin(kind="full") as writer:
        writer.add_bytes("notes.txt", b"tide")
        info = writer.commit({})
    assert open_repository(place, reading=True).reader(info.id).open("notes.txt").read() == b"tide"
    assert Destination.objects.get().profile_id == files.pk


@pytest.mark.parametrize("wrong", ["s3://", "s3:///prefix", "s3://bucket?key=secret"])
def test_a_wrong_address_of_a_bucket_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_named(wrong)
    assert caught.value.field == "repo"
    assert caught.value.remedy
