"""Objects of one folder taken over by another: what lies there afterwards was read again, and is on the disk of its own."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apps.backups.repository import FolderStore, copy
from apps.backups.repository.errors import NoSpace, ObjectMissing
from tests.lab.repositories import Place, contents, flip, noise

DATA = noise(5, 3_000_001)
DIGEST = hashlib.sha256(DATA).hexdigest()
NAME = f"packs/{DIGEST[:2]}/{DIGEST}"


@pytest.fixture
def stores(tmp_path: Path) -> tuple[FolderStore, FolderStore]:
    """One that has an object, and an empty one."""
    source = FolderStore(tmp_path / "one")
    source.put(NAME, DATA)
    return source, FolderStore(tmp_path / "two")


def everything(store: FolderStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


def test_an_object_is_taken_whole(stores: tuple[FolderStore, FolderStore]) -> None:
    source, target = stores
    assert target.take(NAME, source, DIGEST)
    assert target.get(NAME) == DATA
    assert [path.name for path in everything(target)] == [DIGEST]
    # A file of its own: one that shares its blocks would be lost with the first.
    flip(source.folder / NAME, 1)
    assert target.get(NAME) == DATA


def test_other_bytes_are_not_taken(stores: tuple[FolderStore, FolderStore]) -> None:
    source, target = stores
    flip(source.folder / NAME, 2)
    assert not target.take(NAME, source, DIGEST)
    assert everything(target) == []


def test_what_the_disk_wrote_otherwise_is_noticed(
    stores: tuple[FolderStore, FolderStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = stores
    really: Callable[..., int] = os.sendfile

    def lies(out: int, given: int, *more: Any) -> int:
        sent = really(out, given, *more)
        os.pwrite(out, b"\0" * 16, 1000)
        return sent

    monkeypatch.setattr(os, "sendfile", lies)
    assert not target.take(NAME, source, DIGEST)
    assert everything(target) == []


def test_it_is_flushed_before_it_has_its_name(
    stores: tuple[FolderStore, FolderStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = stores
    really, named_at_flush = os.fsync, []

    def flush(descriptor: int) -> None:
        named_at_flush.append((target.folder / NAME).exists())
        really(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    assert target.take(NAME, source, DIGEST)
    # The file, then the folder that it lies in.
    assert named_at_flush[-2:] == [False, True]


@pytest.mark.parametrize(("number", "raised"), [(errno.EINVAL, None), (errno.ENOSPC, NoSpace)])
def test_a_system_that_cannot_do_it_and_a_full_disk(
    stores: tuple[FolderStore, FolderStore],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    raised: type[Exception] | None,
) -> None:
    source, target = stores

    def refuses(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", refuses)
    if raised is None:
        assert not target.take(NAME, source, DIGEST)
    else:
        with pytest.raises(raised):
            target.take(NAME, source, DIGEST)
    assert everything(target) == []


def test_an_object_that_is_gone_is_told(stores: tuple[FolderStore, FolderStore]) -> None:
    source, target = stores
    (source.folder / NAME).unlink()
    with pytest.raises(ObjectMissing):
        target.take(NAME, source, DIGEST)


@pytest.mark.parametrize("able", [True, False])
def test_a_copy_is_the_same_with_and_without_the_systems_help(
    tmp_path: Path, small_packs: None, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    place = Place.make(tmp_path / "repository")
    what = contents()
    info = place.back_up(what)
    if not able:
        monkeypatch.delattr(os, "sendfile")
    with closing(place.server()) as repository:
        report = copy(repository, FolderStore(tmp_path / "second"))
    assert report.ok
    assert report.bytes == sum(path.stat().st_size for path in place.objects())
    second = Place(tmp_path / "second", place.identity, place.recipient, place.secret)
    assert second.restored(info.id) == what
