"""Writing and reading sets."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.backups.repository import (
    Control,
    FolderStore,
    Repository,
    RepositoryError,
    Stopped,
    copy,
    make_identity,
    reencrypt,
    verify_cheap,
)
from apps.backups.repository.errors import (
    AlreadyRepository,
    ForeignRepository,
    InvalidKey,
    KeyNeeded,
    NoRepository,
    NoSuchEntry,
    NoSuchSet,
    SourceChanged,
    UnsupportedVersion,
    WrongKey,
)
from apps.backups.repository.sealing import with_checksum
from tests.lab.repositories import Place, contents, noise, text, write


@pytest.fixture
def place(tmp_path: Path, small_packs: None) -> Place:
    return Place.make(tmp_path / "repository")


def test_a_set_comes_back_with_the_identity_alone(place: Place) -> None:
    what = contents()
    info = place.back_up(what)
    assert place.restored(info.id) == what
    assert (info.entries, info.bytes_source) == (len(what), sum(map(len, what.values())))
    with closing(place.server(cache=False)) as repository:
        [seen] = repository.sets()
        assert (seen.id, seen.kind, seen.labels, seen.extra) == (
            info.id,
            "full",
            {"made": "by a test"},
            {"files": len(what)},
        )


def test_a_whole_set_is_written_to_a_folder(place: Place, tmp_path: Path) -> None:
    what = contents()
    info = place.back_up(what)
    with closing(place.owner()) as repository:
        reader = repository.reader(info.id)
        assert reader.extract_all(tmp_path / "all") == info.bytes_source
        reader.extract_all(tmp_path / "some", prefix="files/1/")
        reader.extract("db/dump.sql", tmp_path / "one" / "dump.sql")
    assert {
        str(p.relative_to(tmp_path / "all")): p.read_bytes() for p in (tmp_path / "all").rglob("*") if p.is_file()
    } == what
    assert sorted(p.name for p in (tmp_path / "some" / "files" / "1").iterdir()) == sorted(
        path.rpartition("/")[2] for path in what if path.startswith("files/1/")
    )
    assert (tmp_path / "one" / "dump.sql").read_bytes() == what["db/dump.sql"]


def test_an_entry_is_found_alone_and_among_many(place: Place) -> None:
    odd = {'a "quoted", name': b"q", 'x,"n":7,': b"n", "größe/é\\.md": b"umlaut", "plain": b"p"}
    what = {**contents(files=3), **odd, "last": b"the end"}
    info = place.back_up(what)
    with closing(place.owner()) as repository:
        for path, data in what.items():
            assert repository.reader(info.id).open(path).read() == data
        reader = repository.reader(info.id)
        for path in (*odd, "last"):
            assert reader.open(path).read() == what[path]
        for _ in range(3):
            with pytest.raises(NoSuchEntry):
                repository.reader(info.id).open("pla")
            with pytest.raises(NoSuchEntry):
                reader.open("pla")


def test_the_server_cannot_read_what_it_wrote(place: Place) -> None:
    info = place.back_up(contents())
    with closing(place.server()) as repository, pytest.raises(KeyNeeded):
        list(repository.reader(info.id).entries())


def test_nothing_readable_lies_in_the_store(place: Place) -> None:
    what = {"secret-name.md": b"a canary that sings in the clear " * 50}
    place.back_up(what)
    stored = b"".join(path.read_bytes() for path in place.objects())
    assert b"canary" not in stored
    assert b"secret-name" not in stored


def test_the_same_again_adds_next_to_nothing(place: Place) -> None:
    what = contents(files=200, dump=3_000_000)
    first = place.back_up(what)
    before = sum(path.stat().st_size for path in place.objects())
    second = place.back_up(what)
    assert second.bytes_added == 0
    assert sum(path.stat().st_size for path in place.objects()) - before < 4000
    assert place.restored(second.id) == place.restored(first.id)


def test_a_small_change_of_a_dump_costs_little(place: Place) -> None:
    dump = noise(3, 3_000_000)
    place.back_up({"dump.sql": dump})
    changed = dump[:1_000_000] + b"some rows more" * 10 + dump[1_000_000:]
    second = place.back_up({"dump.sql": changed})
    assert 0 < second.bytes_added < 100_000
    assert place.restored(second.id) == {"dump.sql": changed}


def test_long_lists_of_chunks_and_files_go_through_chunks_themselves(place: Place) -> None:
    from apps.backups.repository import writer

    what = {**contents(dump=100_000), **{f"{n}": b"%d" % n for n in range(1500)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_MANY", 1)
        info = place.back_up(what)
    with closing(place.server(cache=False)) as repository:
        manifest = repository.manifest(info.id)
        assert manifest.refs.level > 0
        assert manifest.entries.level > 0
    assert place.restored(info.id) == what


def test_an_unchanged_file_is_not_read_again(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "picture"
    source.write_bytes(noise(1, 50_000))
    old = time.time() - 60
    os.utime(source, (old, old))
    key = "sha256:abc"
    with closing(place.server()) as repository:
        with repository.begin(kind="files", labels={}) as writer:
            assert writer.add_known("a", key) is None
            writer.add_stream("a", io.BytesIO(b"named for ever"), chunking="whole", key=key)
            writer.add_stream("b", io.BytesIO(text(1, 200_000)), chunking="content", key="dump")
            writer.commit()
        with repository.begin(kind="files", labels={}) as writer:
            entry = writer.add_known("elsewhere", key)
            assert entry is not None
            assert (entry.path, entry.size) == ("elsewhere", 14)
            assert writer.add_known("b", "dump") is not None
            info = writer.commit()
    assert place.restored(info.id) == {"elsewhere": b"named for ever", "b": text(1, 200_000)}


def test_a_changed_file_is_read_again(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "note"
    for words in (b"first", b"other"):
        source.write_bytes(words)
        with closing(place.server()) as repository, repository.begin(kind="files", labels={}) as writer:
            writer.add_file("note", source)
            info = writer.commit()
        assert place.restored(info.id) == {"note": words}


def test_a_file_that_is_gone_is_named_and_the_set_goes_on(place: Place, tmp_path: Path) -> None:
    with closing(place.server()) as repository, repository.begin(kind="files", labels={}) as writer:
        with pytest.raises(SourceChanged, match="missing"):
            writer.add_file("missing", tmp_path / "missing")
        writer.add_bytes("there", b"x")
        info = writer.commit()
    assert place.restored(info.id) == {"there": b"x"}


def test_a_stream_that_breaks_ends_the_set(place: Place) -> None:
    class Broken(io.RawIOBase):
        left = 3

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            if self.left == 0:
                raise OSError("the pipe broke")
            return noise(self.left, size)

    with closing(place.server()) as repository, repository.begin(kind="db", labels={}) as writer:
        with pytest.raises(SourceChanged):
            writer.add_stream("dump", Broken())  # type: ignore[arg-type]
        with pytest.raises(RepositoryError):
            writer.commit()
        assert repository.sets() == []


def test_without_a_commit_there_is_no_set(place: Place) -> None:
    with closing(place.server()) as repository:
        with repository.begin(kind="full", labels={}) as writer:
            writer.add_bytes("a", b"x")
        assert repository.sets() == []


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../b", "a//b", "a\0b", "a\nb"])
def test_paths_that_leave_the_folder_are_refused(place: Place, path: str) -> None:
    with (
        closing(place.server()) as repository,
        repository.begin(kind="full", labels={}) as writer,
        pytest.raises(RepositoryError),
    ):
        writer.add_bytes(path, b"x")


def test_a_run_is_stopped_and_the_next_one_finds_what_is_stored(place: Place) -> None:
    def check() -> None:
        calls.append(1)
        if len(calls) > 20:
            raise Stopped("Somebody pressed stop.")

    calls: list[int] = []
    what = {f"{n}": noise(n, 700_000) for n in range(24)}
    with closing(place.server()) as repository:
        with pytest.raises(Stopped):
            write(repository, what, control=Control(check=check))
        assert repository.sets() == []
    info = place.back_up(what)
    assert place.restored(info.id) == what


def test_progress_and_bandwidth(place: Place) -> None:
    seen: list[tuple[str, int, int]] = []
    control = Control(progress=lambda *step: seen.append(step), bandwidth=400_000)
    begun = time.monotonic()
    with closing(place.server()) as repository, repository.begin(kind="full", labels={}, control=control) as writer:
        writer.add_bytes("a", noise(1, 300_000))
        writer.commit()
    assert time.monotonic() - begun > 0.4
    assert ("store", 300_000, 0) in seen
    assert seen[-1] == ("commit", 1, 1)


def test_a_share_of_the_processors_is_kept(place: Place) -> None:
    control = Control(cpu=0.2)
    control.pace()
    begun, computed = time.monotonic(), time.thread_time()
    while time.thread_time() - computed < 0.1:
        hashlib.sha256(b"x" * 4096).digest()
    control.pace()
    spent = time.thread_time() - computed
    assert time.monotonic() - begun >= spent * 5 * 0.95
    with closing(place.server()) as repository:
        info = write(repository, {"a": noise(1, 300_000)}, control=control)
    assert place.restored(info.id) == {"a": noise(1, 300_000)}


def test_hooks_are_called_in_the_callers_thread_only(place: Place, tmp_path: Path) -> None:
    threads: set[int] = set()
    control = Control(
        progress=lambda *step: threads.add(threading.get_ident()),
        check=lambda: threads.add(threading.get_ident()),
        bandwidth=10**9,
    )
    what = {str(n): noise(n, 700_000) for n in range(6)}
    with closing(place.server()) as repository:
        info = write(repository, what, control=control)
        copy(repository, FolderStore(tmp_path / "second"), control=control)
        verify_cheap(repository, control=control)
    with closing(place.owner()) as repository:
        repository.reader(info.id).extract_all(tmp_path / "out", control=control)
        reencrypt(repository, control=control)
    assert threads == {threading.get_ident()}


def test_a_stop_does_not_wait_for_the_bandwidth(place: Place) -> None:
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise Stopped("Somebody pressed stop.")

    def back_up(repository: Repository) -> None:
        with repository.begin(kind="full", control=Control(check=check, bandwidth=20_000)) as writer:
            for number in range(9):
                writer.add_bytes(str(number), noise(number, 700_000))
                stopped.set()

    begun = time.monotonic()
    with closing(place.server()) as repository, pytest.raises(Stopped):
        back_up(repository)
    assert time.monotonic() - begun < 30


def test_two_recipients_can_each_read(tmp_path: Path) -> None:
    (first, one), (second, two) = make_identity(), make_identity()
    store = FolderStore(tmp_path / "r")
    repository = Repository.create(store, recipients=[one, two], comment="both")
    with repository.begin(kind="full", labels={}) as writer:
        writer.add_bytes("a", b"x")
        info = writer.commit()
    for identity in (first, second):
        opened = Repository.open(store, identity=identity)
        assert opened.reader(info.id).open("a").read() == b"x"
        assert opened.comment == "both"


def test_what_is_wrong_is_told_apart(place: Place, tmp_path: Path) -> None:
    store = FolderStore(place.folder)
    with pytest.raises(NoRepository) as none:
        Repository.open(FolderStore(tmp_path / "nothing"), writer_secret=place.secret)
    with pytest.raises(WrongKey) as wrong:
        Repository.open(store, identity=make_identity()[0])
    with pytest.raises(ForeignRepository) as foreign:
        Repository.open(store, writer_secret=b"?" * 32)
    with pytest.raises(InvalidKey):
        Repository.open(store, identity="not a key")
    with pytest.raises(AlreadyRepository):
        Repository.create(store, recipients=[place.recipient])
    with pytest.raises(InvalidKey, match="nobody could ever read"):
        Repository.create(FolderStore(tmp_path / "new"), recipients=[])
    assert [error.value.exit_code for error in (none, wrong, foreign)] == [10, 12, 10]
    assert all(error.value.remedy for error in (none, wrong, foreign))
    with closing(place.server()) as repository, pytest.raises(NoSuchSet):
        repository.reader("20200101T000000Z-00000000")
    info = place.back_up({"a": b"x"})
    with closing(place.owner()) as repository, pytest.raises(NoSuchEntry):
        repository.reader(info.id).open("b")


def test_a_newer_format_is_refused(place: Place) -> None:
    body = (place.folder / "format").read_bytes()[:-32].replace(b'"version": 1', b'"version": 2')
    for name in ("format", "twins/format"):
        (place.folder / name).write_bytes(with_checksum(body))
    with pytest.raises(UnsupportedVersion):
        place.server()


def test_sets_are_listed_oldest_first(place: Place) -> None:
    ids = [place.back_up({"a": bytes([n])}).id for n in range(4)]
    with closing(place.server()) as repository:
        assert [info.id for info in repository.sets()] == ids
        assert all(info.created <= datetime.now(UTC) for info in repository.sets())


def test_a_spoilt_cache_is_made_anew(place: Place) -> None:
    first = place.back_up(contents())
    place.cache.write_bytes(b"this is no database" * 1000)
    second = place.back_up(contents())
    assert second.bytes_added == 0
    assert place.restored(second.id) == place.restored(first.id)


def test_a_folder_of_files_is_taken_in_order_and_the_second_time_unread(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.backups.repository import files

    folder = tmp_path / "sources"
    what = {f"{n % 3}/{n}.md": text(n, 2000 + n) for n in range(700)} | {"big": noise(1, 5_000_000), "empty": b""}
    for path, data in what.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "link").symlink_to(folder / "big")
    with closing(place.server()) as repository:
        for settled in (10**12, 0):
            # First every file counts as changed a moment ago, so none is remembered.
            monkeypatch.setattr(files, "_SETTLED_NS", settled)
            with repository.begin(kind="files", labels={}) as writer:
                assert writer.add_folder("files", folder) == len(what)
                info = writer.commit()
            assert place.restored(info.id) == {f"files/{path}": data for path, data in what.items()}
            assert repository.index.rows("select count(*) from known") == [(0 if settled else len(what),)]
        with repository.begin(kind="files", labels={}) as writer:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(writer, "name_of", lambda data: pytest.fail("an unchanged file was read"))
                writer.add_folder("files", folder)
            info = writer.commit()
        assert info.bytes_added == 0
    assert place.restored(info.id) == {f"files/{path}": data for path, data in what.items()}


def test_files_that_cannot_be_read_are_told_and_left_out(place: Place, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    problems: list[str] = []
    files = [("a", str(tmp_path / "there")), ("b", str(tmp_path / "missing")), ("c", str(tmp_path))]
    with closing(place.server()) as repository, repository.begin(kind="files", labels={}) as writer:
        assert writer.add_files(files, on_problem=lambda path, error: problems.append(path)) == 1
        with pytest.raises(SourceChanged):
            writer.add_files(files[1:2])
        info = writer.commit()
    assert problems == ["b", "c"]
    assert place.restored(info.id) == {"a": b"x"}
