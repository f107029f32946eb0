"""What the folder promises beyond the contract: whole files, no way out, faults that say what to do."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from aiwriter_storage_local import files
from aiwriter_storage_local.backend import LocalBackend
from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.base import ContentFile

from aiwriter_sdk import (
    BackendContext,
    BackendError,
    CallControl,
    Config,
    ConfigInvalid,
    InvalidRequest,
    QuotaExceeded,
    Unavailable,
    Unsupported,
)
from aiwriter_sdk.testing.stage import ForbiddenHttpClient


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    """A backend over a folder that does not exist yet."""
    return _backend(tmp_path, root=str(tmp_path / "files"))


def _backend(tmp_path: Path, **options: object) -> LocalBackend:
    context = BackendContext(
        http=ForbiddenHttpClient(), logger=logging.getLogger("local"), data_dir=str(tmp_path / "own")
    )
    return LocalBackend(Config(options), context)


def _control(seconds: float = 10.0) -> CallControl:
    return CallControl(deadline=time.monotonic() + seconds)


class Breaking(File):
    """Content whose source fails after its first chunk."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), name="breaking")

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        yield b"x" * 1000
        raise OSError("the upload broke off")


def test_files_and_folders_are_the_portals_alone(backend: LocalBackend, tmp_path: Path) -> None:
    backend.storage().save("a/b/c.txt", ContentFile(b"x"))
    root = tmp_path / "files"
    assert stat.S_IMODE((root / "a/b/c.txt").stat().st_mode) == 0o600
    for folder in (root, root / "a", root / "a/b", root / files.INCOMING):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_is_left_behind_by_a_save_or_by_one_that_fails(backend: LocalBackend, tmp_path: Path) -> None:
    backend.storage().save("kept.txt", ContentFile("text, not bytes"))
    with pytest.raises(OSError, match="the upload broke off"):
        backend.storage().save("half.txt", Breaking())
    assert list((tmp_path / "files" / files.INCOMING).iterdir()) == []
    assert backend.storage().listdir("") == ([], ["kept.txt"])


def test_what_a_crash_left_behind_is_removed_after_a_day(backend: LocalBackend, tmp_path: Path) -> None:
    incoming = tmp_path / "files" / files.INCOMING
    incoming.mkdir(parents=True)
    old, new = incoming / "old", incoming / "new"
    for one in (old, new):
        one.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    backend.storage().save("a.txt", ContentFile(b"x"))
    assert [one.name for one in incoming.iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, QuotaExceeded),
        (errno.EDQUOT, QuotaExceeded),
        (errno.EIO, Unavailable),
        (errno.EROFS, ConfigInvalid),
        (errno.EACCES, ConfigInvalid),
    ],
)
def test_faults_of_the_disk_are_explained(
    backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[BackendError]
) -> None:
    def failing(file: int) -> None:
        raise OSError(number, os.strerror(number))

    backend.storage().save("before.txt", ContentFile(b"x"))
    # Where blocks are given out late, as on network disks, a full disk is told by fsync.
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(kind) as caught:
        backend.storage().save("secret-name.txt", ContentFile(b"x"))
    monkeypatch.undo()
    assert caught.value.provider_code == errno.errorcode[number]
    assert "secret-name" not in caught.value.message
    assert not backend.storage().exists("secret-name.txt")
    assert list((tmp_path / "files" / files.INCOMING).iterdir()) == []
    if kind is not Unavailable:
        assert caught.value.remedy


def test_a_write_beyond_what_the_system_allows_leaves_nothing(backend: LocalBackend, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(Unavailable, match="EFBIG"):
            backend.storage().save("large.bin", ContentFile(b"x" * 200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "files" / files.INCOMING).iterdir()) == []
    assert not backend.storage().exists("large.bin")


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_a_name_taken_since_it_was_looked_at_is_not_replaced(
    backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def no_links(*paths: object) -> None:
        raise OSError(errno.EPERM, "FAT knows no hard links")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    assert backend.storage().save("a.txt", ContentFile(b"first")) == "a.txt"
    # Storage.save looks for a free name before it calls this; here the name is taken after the look.
    second = cast("files.LocalFiles", backend.storage())._save("a.txt", ContentFile(b"second"))
    assert second != "a.txt"
    assert (tmp_path / "files/a.txt").read_bytes() == b"first"
    assert (tmp_path / "files" / second).read_bytes() == b"second"
    assert list((tmp_path / "files" / files.INCOMING).iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a\x00b", f"{files.INCOMING}/x", "..\\x"])
def test_no_name_leads_out_or_into_the_unfinished(backend: LocalBackend, name: str) -> None:
    storage = backend.storage()
    for call in (storage.open, storage.exists, storage.size, storage.delete, storage.listdir, storage.path):
        with pytest.raises(SuspiciousFileOperation):
            call(name)
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(b"x"))


def test_no_link_within_the_folder_leads_out(backend: LocalBackend, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    backend.storage().save("a.txt", ContentFile(b"x"))
    (tmp_path / "files/door").symlink_to(outside)
    (tmp_path / "files/window.txt").symlink_to(outside / "secret.txt")
    for name in ("door/secret.txt", "window.txt"):
        with pytest.raises(SuspiciousFileOperation):
            backend.storage().open(name)
    with pytest.raises(SuspiciousFileOperation):
        backend.storage().save("door/new.txt", ContentFile(b"x"))
    assert [one.name for one in outside.iterdir()] == ["secret.txt"]


def test_files_are_written_by_save_alone_and_have_no_address(backend: LocalBackend) -> None:
    backend.storage().save("a.txt", ContentFile(b"x"))
    for mode in ("wb", "r+b", "ab", "xb"):
        with pytest.raises(Unsupported):
            backend.storage().open("a.txt", mode)
    with pytest.raises(Unsupported):
        backend.storage().url("a.txt")


def test_folders_are_no_files(backend: LocalBackend) -> None:
    backend.storage().save("folder/a.txt", ContentFile(b"x"))
    with pytest.raises(FileNotFoundError):
        backend.storage().open("folder")
    with pytest.raises(FileNotFoundError):
        backend.storage().open("folder/a.txt/b")
    backend.storage().delete("folder")
    assert backend.storage().exists("folder/a.txt")
    assert backend.storage().listdir("no/such/folder") == ([], [])


def test_a_name_that_is_too_long_is_the_requests_fault(backend: LocalBackend) -> None:
    with pytest.raises(InvalidRequest):
        backend.storage().save("n" * 300, ContentFile(b"x"))


@pytest.mark.parametrize("root", ["relative/folder", "/", "/a\x00b"])
def test_a_folder_that_cannot_be_meant_is_refused(tmp_path: Path, root: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        _backend(tmp_path, root=root)
    assert caught.value.field == "root"
    assert caught.value.remedy


def test_without_a_folder_the_portals_own_is_taken(tmp_path: Path) -> None:
    assert _backend(tmp_path).storage().save("a.txt", ContentFile(b"x")) == "a.txt"
    assert (tmp_path / "own/a.txt").exists()


def test_health_leaves_no_trace_before_and_after_the_first_file(backend: LocalBackend, tmp_path: Path) -> None:
    health = asyncio.run(backend.health(control=_control()))
    assert (health.status, (tmp_path / "files").exists()) == ("ok", False)
    backend.storage().save("a.txt", ContentFile(b"x"))
    before = sorted(tmp_path.rglob("*"))
    assert asyncio.run(backend.health(control=_control())).data["free_bytes"] > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_health_warns_before_the_disk_is_full(tmp_path: Path) -> None:
    health = asyncio.run(_backend(tmp_path, min_free_mb=10**12).health(control=_control()))
    assert health.status == "warn"
    assert str(tmp_path) in health.detail


@pytest.mark.parametrize("root", ["/proc/aiwriter/files", "/dev/null/files"])
def test_health_names_a_folder_that_cannot_be_made(tmp_path: Path, root: str) -> None:
    backend = _backend(tmp_path, root=root)
    with pytest.raises(ConfigInvalid) as caught:
        asyncio.run(backend.health(control=_control()))
    assert caught.value.field == "root"
    with pytest.raises(ConfigInvalid):
        backend.storage().save("a.txt", ContentFile(b"x"))


def test_usage_counts_the_bytes_of_all_files(backend: LocalBackend) -> None:
    for name in ("a.txt", "b/c.txt"):
        backend.storage().save(name, ContentFile(b"x" * 1000))
    usage = asyncio.run(backend.usage(control=_control()))
    assert usage.used_bytes == 2000
    assert usage.free_bytes is not None
    assert usage.free_bytes > 0
