"""The conformance suite of storage backends. It needs Django, which a storage backend needs anyway.

class TestMyStorage(StorageConformance):
    descriptor = descriptor

    def options(self):
        return {"location": str(self.tmp_path / "files")}
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from aiwriter_sdk.backend import Backend
from aiwriter_sdk.descriptor import Kind
from aiwriter_sdk.errors import AuthFailed, BackendError, TimedOut, Unavailable
from aiwriter_sdk.storage import StorageBackend, StorageUsage
from aiwriter_sdk.testing.every_backend import BackendConformance
from aiwriter_sdk.testing.rules import rule, run_in_thread
from aiwriter_sdk.testing.stage import CANARY, everything_said, make_config, make_context

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["CANARY", "StorageConformance"]

_MIB = 1024 * 1024
_NAMES = (
    "plain.txt",
    "a/b/c/d/e/f/g/h/deep.bin",
    "Grüße/漢字 и кириллица.md",
    "with space & sign+plus#hash%25.txt",
    "2026/11/" + "long" * 40 + ".txt",
)
_OUTSIDE = ("../outside.txt", "a/../../outside.txt", "/outside.txt", "a/../../../outside/x.txt")


class StorageConformance(BackendConformance):
    """Subclass it, give `descriptor` and `options`; the place must be empty at the beginning of every test."""

    kind: ClassVar[Kind] = "storage"

    def unreachable_options(self) -> Mapping[str, object] | None:
        """Options that lead to a place that does not answer; None where there is no such thing."""
        return None

    def wrong_secrets(self) -> Mapping[str, str] | None:
        """Secrets that the service refuses; None where there are none."""
        return None

    @classmethod
    def lacks(cls, need: str) -> str:
        """See `Conformance.lacks`; "unreachable" and "refusal" are authors who gave what these rules need."""
        if need == "unreachable":
            return "" if cls.unreachable_options is not StorageConformance.unreachable_options else "no network"
        if need == "refusal":
            return "" if cls.wrong_secrets is not StorageConformance.wrong_secrets else "no credentials"
        return super().lacks(need)

    @pytest.fixture(autouse=True)
    def _django(self) -> None:
        from django.conf import settings

        if not settings.configured:
            settings.configure(USE_TZ=True)

    def place(self, backend: Backend | None = None) -> Storage:
        """The Django storage of a new instance, or of the one given."""
        return cast("StorageBackend", backend or self.build()).storage()

    def exercise(self, backend: Backend) -> None:
        """Write, read and delete a file."""
        storage = self.place(backend)
        name = storage.save(f"exercise-{threading.get_ident()}-{time.monotonic_ns()}.txt", _content(b"hello"))
        assert _read(storage, name) == b"hello"
        storage.delete(name)

    @rule("S01")
    @pytest.mark.parametrize("size", [0, 1, 70_000], ids=["empty", "one-byte", "70-kB"])
    def test_files_come_back(self, size: int) -> None:
        """A file comes back byte for byte, the empty one too, with its size."""
        storage, content = self.place(), bytes(range(256)) * (size // 256 + 1)
        name = storage.save("file.bin", _content(content[:size]))
        assert storage.exists(name), f"{name} does not exist after save()"
        assert _read(storage, name) == content[:size]
        assert storage.size(name) == size, f"size() is {storage.size(name)}, the file has {size} bytes"

    @rule("S02")
    def test_large_files_come_back(self) -> None:
        """32 MiB come back unchanged, read in pieces."""
        from django.core.files import File

        storage, source = self.place(), _Endless(32 * _MIB)
        name = storage.save("large.bin", File(cast("Any", source), name="large.bin"))
        length, same = 0, True
        with storage.open(name) as file:
            while piece := file.read(_MIB):
                same = same and piece == source.at(length, len(piece))
                length += len(piece)
        assert length == 32 * _MIB, f"{length} bytes came back"
        assert same, "the content changed"

    @rule("S03")
    @pytest.mark.parametrize("name", _NAMES, ids=["plain", "deep", "unicode", "signs", "long"])
    def test_names_may_be_deep_and_of_any_script(self, name: str) -> None:
        """Deep, long and non-ASCII names work; the name that `save` gives is the one that works afterwards."""
        storage = self.place()
        saved = storage.save(name, _content(name.encode()))
        assert _read(storage, saved) == name.encode()

    @rule("S04")
    @pytest.mark.parametrize("name", _OUTSIDE, ids=["up", "around", "absolute", "far"])
    def test_names_do_not_lead_outside(self, name: str) -> None:
        """Names with `..` and absolute names are refused or stay inside; nothing is written elsewhere."""
        storage = self.place()
        if name.startswith("/"):
            name = f"{self.tmp_path.parent}{name}"
        before = self._outside()
        try:
            saved = storage.save(name, _content(b"outside?"))
        except Exception:  # noqa: BLE001 - any refusal is right; that nothing is written counts
            saved = ""
        assert ".." not in saved.split("/"), f"it was saved as {saved}"
        assert not saved.startswith("/"), f"it was saved as {saved}"
        assert self._outside() == before, "a file was written outside of the place"

    def _outside(self) -> set[str]:
        """What lies beside the place, two levels deep, as deep as the names above could lead."""
        beside = [path for path in self.tmp_path.parent.iterdir() if path != self.tmp_path]
        within = [entry.path for path in beside if path.is_dir() for entry in os.scandir(path)]
        return {*map(str, beside), *within}

    @rule("S05")
    def test_nothing_is_overwritten_in_silence(self) -> None:
        """A second `save` under a taken name leaves the first content as it is."""
        storage = self.place()
        first = storage.save("same.txt", _content(b"first"))
        try:
            second = storage.save("same.txt", _content(b"second"))
        except (FileExistsError, BackendError):
            second = ""
        assert _read(storage, first) == b"first", "the first file was overwritten"
        assert second != first, "two files have one name"

    @rule("S06")
    def test_deleting_what_is_not_there_is_quiet(self) -> None:
        """`delete` removes, and is quiet about a missing name."""
        storage = self.place()
        name = storage.save("gone.txt", _content(b"x"))
        storage.delete(name)
        assert not storage.exists(name), "it still exists after delete()"
        storage.delete(name)
        storage.delete("never/was.txt")

    @rule("S07")
    def test_opening_what_is_not_there_raises(self) -> None:
        """`open` of a missing name raises FileNotFoundError, by the first read at the latest."""
        storage = self.place()
        assert not storage.exists("missing.txt")
        with pytest.raises(FileNotFoundError):
            storage.open("missing.txt").read()

    @rule("S08", "listing")
    def test_listings_are_complete(self) -> None:
        """With "listing": `listdir` names every file and folder of a folder, and no more."""
        storage = self.place()
        # More than the hundred that many services give at once.
        files = {storage.save(f"list/file-{n:03}.txt", _content(b"x")) for n in range(105)}
        storage.save("list/inner/file.txt", _content(b"x"))
        folders, names = storage.listdir("list")
        assert {f"list/{name}" for name in names} == files
        assert [folder.strip("/") for folder in folders] == ["inner"]
        # It may have this too; then it is as complete.
        if walk := getattr(storage, "walk", None):
            assert dict(walk("list/")) == dict.fromkeys(files | {"list/inner/file.txt"}, 1), (
                "walk() says something else"
            )
            assert set(dict(walk("list/in"))) == {"list/inner/file.txt"}, "walk() begins elsewhere"

    @rule("S09")
    def test_the_time_of_change_is_right(self) -> None:
        """`get_modified_time` is aware of its time zone and within a minute of now."""
        storage = self.place()
        changed = storage.get_modified_time(storage.save("time.txt", _content(b"x")))
        assert changed.tzinfo is not None, "the time has no zone"
        apart = abs((dt.datetime.now(dt.UTC) - changed).total_seconds())
        assert apart < 60, f"the time is {apart:.0f} seconds off"

    @rule("S10")
    def test_a_broken_upload_leaves_nothing(self) -> None:
        """When the source breaks in the middle, no file is visible afterwards."""
        from django.core.files import File

        storage = self.place()
        with pytest.raises(Exception, match=r"."):
            storage.save("broken.bin", File(cast("Any", _Endless(4 * _MIB, breaks_at=2 * _MIB)), name="broken.bin"))
        assert not storage.exists("broken.bin"), "half a file is visible"

    @rule("S11", "temporary_urls")
    def test_temporary_urls_expire(self) -> None:
        """With "temporary_urls": `url(name, expire=2)` works at once and no longer after four seconds."""
        storage = self.place()
        name = storage.save("link.txt", _content(b"linked"))
        url = storage.url(name, expire=2)  # type: ignore[call-arg]
        assert _fetch(url) == (200, b"linked")
        time.sleep(4)
        status, body = _fetch(url)
        assert (status, body) != (200, b"linked"), "the address still works"

    @rule("S12")
    def test_eight_writers_of_one_name_do_not_mix(self) -> None:
        """Eight threads that save the same name get eight files, or errors, but never a mixture."""
        storage = self.place()
        saved: list[tuple[str, bytes]] = []

        def write(number: int) -> None:
            content = bytes([65 + number]) * 200_000
            try:
                saved.append((storage.save("race.bin", _content(content)), content))
            except (OSError, BackendError):
                return

        def race() -> bool:
            threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            return True

        run_in_thread(race, 60)
        assert saved, "nobody could write"
        assert len({name for name, _ in saved}) == len(saved), "two writers were given the same name"
        for name, content in saved:
            assert _read(storage, name) == content, f"{name} holds another writer's bytes"

    @rule("S13")
    def test_usage_is_told_in_bytes(self) -> None:
        """`usage()` is None or gives byte counts that are not negative."""
        usage = self.run(cast("StorageBackend", self.build()).usage(control=self.control()))
        if usage is not None:
            assert isinstance(usage, StorageUsage)
            for count in (usage.used_bytes, usage.free_bytes):
                assert count is None or count >= 0, f"{usage}"

    @rule("S14", "unreachable")
    def test_an_unreachable_place_is_named(self) -> None:
        """A place that does not answer: health says fail or raises Unavailable, within its deadline."""
        config = make_config(self.descriptor, self.unreachable_options() or {}, self.secrets())
        self._probe(config, (Unavailable, TimedOut))

    @rule("S15", "secrets", "refusal")
    def test_wrong_credentials_are_named(self) -> None:
        """Refused credentials: health raises AuthFailed or says fail; nothing tells them."""
        config = make_config(self.descriptor, self.options(), self.wrong_secrets() or {})
        self._probe(config, (AuthFailed,))

    def _probe(self, config: Any, wanted: tuple[type[BaseException], ...]) -> None:
        backend = self._target()(config, make_context(self.tmp_path / "probe"))
        started, said = time.monotonic(), ""
        try:
            health = self.run(backend.health(control=self.control(3)), limit=8)
            assert health.status == "fail", f"health is {health.status}"
            said = health.detail
        except wanted as error:
            said = everything_said(error)
        assert time.monotonic() - started < 4, "it took longer than its deadline of 3 seconds"
        for value in (*self.secrets().values(), *(self.wrong_secrets() or {}).values()):
            assert value not in said, "an error tells a secret"


def _content(data: bytes) -> Any:
    from django.core.files.base import ContentFile

    return ContentFile(data)


def _read(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        return bytes(file.read())


def _fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the test server's own address
            return int(answer.status), bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, b""


@functools.lru_cache(2)
def _mib(number: int) -> bytes:
    """One MiB that is like no other: its number, and bytes that fit no block of a power of two."""
    return b"%08d%b" % (number, (bytes(range(251)) * (_MIB // 251 + 1))[: _MIB - 8])


class _Endless:
    """A source of so many bytes that is read in pieces, never whole, and may break on the way."""

    def __init__(self, size: int, *, breaks_at: int | None = None) -> None:
        self.size = size
        self._at = 0
        self._breaks_at = breaks_at

    def at(self, start: int, size: int) -> bytes:
        """The bytes from `start` on, `size` of them or what is left."""
        end = min(start + size, self.size)
        first, last = start // _MIB, -(-end // _MIB)
        whole = b"".join(_mib(number) for number in range(first, last))
        return whole[start - first * _MIB : end - first * _MIB]

    def read(self, size: int = -1) -> bytes:
        if self._breaks_at is not None and self._at >= self._breaks_at:
            raise OSError("the source broke off")
        piece = self.at(self._at, self.size if size is None or size < 0 else size)
        self._at += len(piece)
        return piece

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(_MIB):
            yield piece

    def chunks(self, size: int = _MIB) -> Iterator[bytes]:
        while piece := self.read(size or _MIB):
            yield piece

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset == 0 and whence == 2:
            self._at = self.size
        elif whence == 0:
            self._at = offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._at = 0

    @property
    def closed(self) -> bool:
        return False
