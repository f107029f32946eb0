"""Prune, copies, rotation of keys."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from apps.backups.repository import (
    Control,
    FolderStore,
    Repository,
    Stopped,
    compare,
    copy,
    make_identity,
    mend_from,
    prune,
    recipient_of,
    reencrypt,
    rewrap,
    undrop,
    verify_cheap,
    verify_deep,
)
from apps.backups.repository.errors import (
    Busy,
    ForeignRepository,
    KeyNeeded,
    NoSuchSet,
    RunTooLong,
    StorageFailed,
    WrongKey,
)
from apps.backups.repository.locking import exclusive
from tests.lab.repositories import FaultyStore, Place, contents, flip, noise, write

NOW = timedelta(0)
LATER = timedelta(hours=48)


@pytest.fixture
def place(tmp_path: Path, small_packs: None) -> Place:
    return Place.make(tmp_path / "repository")


def size(place: Place) -> int:
    return sum(path.stat().st_size for path in place.objects("packs/"))


# Prune


def test_a_dropped_set_goes_in_two_steps_and_the_others_stay(place: Place) -> None:
    one, two = contents(1), contents(2)
    first, second = place.back_up(one), place.back_up(two | {"shared": one["db/dump.sql"]})
    before = size(place)
    with closing(place.server()) as repository:
        report = prune(repository, drop={first.id}, grace=NOW)
        assert report.doomed_sets == [first.id]
        assert [info.id for info in repository.sets()] == [second.id]
        assert report.removed_packs == 0
        report = prune(repository, grace=NOW)
        assert report.removed_sets == [first.id]
        report = prune(repository, grace=NOW)
    assert size(place) < before
    assert place.restored(second.id) == two | {"shared": one["db/dump.sql"]}
    with closing(place.server()) as repository:
        assert verify_cheap(repository).ok
        with pytest.raises(NoSuchSet):
            repository.reader(first.id)


def test_nothing_goes_before_its_grace(place: Place) -> None:
    what = contents()
    info = place.back_up(what)
    place.back_up({"a": b"x"})
    before = set(place.objects("packs/"))
    with closing(place.server()) as repository:
        prune(repository, drop={info.id}, grace=LATER)
        assert prune(repository, grace=LATER).removed_packs == 0
        assert before <= set(place.objects("packs/"))
        undrop(repository, info.id)
        assert info.id in [seen.id for seen in repository.sets()]
        with pytest.raises(NoSuchSet):
            undrop(repository, info.id)
    assert place.restored(info.id) == what


def test_packs_that_are_needed_again_are_spared(place: Place) -> None:
    what = contents()
    first = place.back_up(what)
    with closing(place.server()) as repository:
        prune(repository, drop={first.id}, grace=timedelta(hours=24))
        second = write(repository, what)
        assert second.bytes_added == 0, "what is marked and stays for a day can be counted on"
        report = prune(repository, grace=timedelta(hours=24))
        assert report.spared_packs > 0
    assert place.restored(second.id) == what


def test_a_writer_does_not_count_on_what_goes_soon(place: Place) -> None:
    what = contents()
    first = place.back_up(what)
    with closing(place.server()) as repository:
        prune(repository, drop={first.id}, grace=timedelta(hours=1))
        second = write(repository, what)
        assert second.bytes_added > 500_000
        for _ in range(3):
            prune(repository, grace=NOW)
    assert place.restored(second.id) == what


def test_a_run_that_outlives_the_grace_is_refused_and_not_broken(place: Place) -> None:
    what = contents()
    first = place.back_up(what)
    with closing(place.server()) as slow, closing(place.server(cache=False)) as keeper:
        writer = slow.begin(kind="slow", labels={})
        for path, data in what.items():
            writer.add_bytes(path, data)
        prune(keeper, drop={first.id}, grace=NOW)
        with pytest.raises(RunTooLong):
            writer.commit()
        prune(keeper, grace=NOW)
    second = place.back_up(what)
    assert place.restored(second.id) == what
    with closing(place.server()) as repository:
        assert verify_cheap(repository).ok


def test_what_a_running_writer_has_stored_survives_a_prune(place: Place) -> None:
    what = {str(n): noise(n, 400_000) for n in range(8)}
    with closing(place.server()) as repository, closing(place.server(cache=False)) as keeper:
        writer = repository.begin(kind="full", labels={})
        for path, data in what.items():
            writer.add_bytes(path, data)
        prune(keeper, grace=LATER)
        info = writer.commit()
        prune(keeper, grace=LATER)
    assert place.restored(info.id) == what


def test_packs_of_which_little_is_needed_are_written_anew(place: Place) -> None:
    kept = {str(n): noise(n, 20_000) for n in range(6)}
    dropped = []
    for name, data in kept.items():
        dropped.append(place.back_up({"large": noise(int(name) + 100, 500_000), name: data}).id)
    last = place.back_up(kept)
    before = size(place)
    with closing(place.server()) as repository:
        report = prune(repository, drop=dropped, grace=NOW)
        assert 100_000 < report.rewritten_bytes < 400_000
        prune(repository, grace=NOW)
        prune(repository, grace=NOW)
        assert verify_cheap(repository).ok
    assert size(place) < before / 10
    assert place.restored(last.id) == kept
    with closing(place.owner()) as repository:
        assert verify_deep(repository).ok


def test_an_unknown_set_is_not_dropped(place: Place) -> None:
    place.back_up({"a": b"x"})
    with closing(place.server()) as repository, pytest.raises(NoSuchSet):
        prune(repository, drop={"20200101T000000Z-00000000"})


def test_one_keeper_at_a_time(place: Place) -> None:
    with closing(place.server()) as repository, closing(place.server()) as other:
        with exclusive(repository, "Prune"), pytest.raises(Busy) as busy:
            prune(other)
        assert busy.value.exit_code == 11
        prune(other)


def test_a_reader_goes_on_when_its_packs_are_written_anew(place: Place) -> None:
    what = contents(files=50)
    info = place.back_up(what)
    with closing(place.owner()) as reading, closing(place.owner()) as rotating:
        reader = reading.reader(info.id)
        assert reader.open("files/empty").read() == b""
        reencrypt(rotating)
        assert {path: reader.open(path).read() for path in what} == what


# Copies


def test_a_copy_is_whole_checked_by_itself_and_brought_up_to_date(place: Place, tmp_path: Path) -> None:
    first = place.back_up(contents(1))
    target = FolderStore(tmp_path / "second")
    with closing(place.server()) as repository:
        report = copy(repository, target)
        assert (report.ok, report.sets) == (True, 1)
        assert compare(repository, target).same
        assert copy(repository, target).bytes == 0
        second = write(repository, contents(2))
        assert compare(repository, target).missing
        assert 0 < copy(repository, target).bytes < second.bytes_added + 20_000
    with closing(Repository.open(target, identity=place.identity)) as repository:
        assert verify_deep(repository).ok
        for info, what in ((first, contents(1)), (second, contents(2))):
            reader = repository.reader(info.id)
            assert {path: reader.open(path).read() for path in what} == what


def test_a_copy_that_was_cut_off_goes_on(place: Place, tmp_path: Path) -> None:
    what = {str(n): noise(n, 400_000) for n in range(12)}
    info = place.back_up(what)
    folder = tmp_path / "second"
    with closing(place.server()) as repository:
        for every in (9, 17):
            with pytest.raises(StorageFailed):
                copy(repository, FaultyStore(folder, refuse=every))
        report = copy(repository, FaultyStore(folder, lose=3))
        assert report.ok
        assert report.skipped > 0
        assert compare(repository, FolderStore(folder)).same
    with closing(Repository.open(FolderStore(folder), identity=place.identity)) as repository:
        assert repository.reader(info.id).open("3").read() == what["3"]


def test_a_damaged_pack_is_not_copied_and_comes_back_from_the_copy(place: Place, tmp_path: Path) -> None:
    what = contents()
    info = place.back_up(what)
    second, third = FolderStore(tmp_path / "second"), FolderStore(tmp_path / "third")
    packs = place.objects("packs/")
    with closing(place.server()) as repository:
        copy(repository, second)
        flip(packs[0], 3)
        packs[1].unlink()
        (place.folder / "sets" / info.id).unlink()
        (place.folder / "twins" / "sets" / info.id).unlink()
        report = copy(repository, third)
        assert (report.ok, report.exit_code) == (False, 14)
        assert not verify_cheap(repository).ok
        assert len(mend_from(repository, second)) == 3
        assert verify_cheap(repository).ok
        assert copy(repository, third).ok
    assert place.restored(info.id) == what


def test_what_a_check_of_the_copy_finds_is_sent_again(place: Place, tmp_path: Path) -> None:
    what = contents()
    info = place.back_up(what)
    second = FolderStore(tmp_path / "second")
    with closing(place.server()) as repository:
        copy(repository, second)
        packs = sorted((tmp_path / "second").glob("**/packs/*/*"))
        for seed, pack in enumerate(packs):
            flip(pack, seed)
        with closing(Repository.open(second, writer_secret=place.secret)) as target:
            assert verify_cheap(target).broken_sets == {info.id}
        assert copy(repository, second).objects >= len(packs)
    with closing(Repository.open(second, identity=place.identity)) as target:
        assert verify_deep(target).ok
        assert {path: target.reader(info.id).open(path).read() for path in what} == what


def test_a_store_that_leaves_what_has_the_same_size_is_mended_too(place: Place, tmp_path: Path) -> None:
    class Thrifty(FolderStore):
        def put(self, name: str, data: bytes) -> None:
            if name.startswith("packs/") and dict(self.names(name)).get(name) == len(data):
                return
            super().put(name, data)

    what = contents()
    info = place.back_up(what)
    store = Thrifty(place.folder)
    with closing(place.server(store)) as repository:
        copy(repository, FolderStore(tmp_path / "second"))
        for seed, pack in enumerate(place.objects("packs/")):
            flip(pack, seed)
        assert not verify_cheap(repository).ok
        assert mend_from(repository, FolderStore(tmp_path / "second"))
        assert verify_cheap(repository).ok
    assert place.restored(info.id, store) == what


def test_a_copy_into_another_repository_is_refused(place: Place, tmp_path: Path) -> None:
    other = Place.make(tmp_path / "other")
    with closing(place.server()) as repository, pytest.raises(ForeignRepository):
        copy(repository, FolderStore(other.folder))


# Keys


def test_new_recipients_in_milliseconds(place: Place) -> None:
    what = contents()
    info = place.back_up(what)
    identity, recipient = make_identity()
    with closing(place.owner()) as repository:
        rewrap(repository, recipients=[recipient])
    with pytest.raises(WrongKey):
        place.owner()
    old, place.identity = place.identity, identity
    assert place.restored(info.id) == what
    second = place.back_up(what | {"more": b"x"})
    assert place.restored(second.id)["more"] == b"x"
    assert [path.name for path in place.objects("keys/")] == ["0002"]
    with closing(place.server()) as repository, pytest.raises(KeyNeeded):
        rewrap(repository, recipients=[recipient_of(old)])


def test_everything_is_encrypted_anew_and_the_old_keys_open_nothing(place: Place, tmp_path: Path) -> None:
    what = {**contents(), **{str(n): noise(n, 400_000) for n in range(8)}}
    info = place.back_up(what)
    kept_keys = (place.folder / "keys" / "0001").read_bytes()
    old_packs = place.objects("packs/")
    identity, recipient = make_identity()
    with closing(place.owner()) as repository:
        report = reencrypt(repository, recipients=[recipient])
        assert report.finished
        assert report.packs == len(old_packs)
    assert not set(old_packs) & set(place.objects("packs/"))
    old_identity, place.identity = place.identity, identity
    assert place.restored(info.id) == what
    with closing(place.server()) as repository:
        assert verify_cheap(repository).ok
        assert write(repository, what).bytes_added == 0

    # Somebody who has the old identity and kept the old keys puts them back.
    for name in ("keys/0002", "twins/keys/0002"):
        (place.folder / name).unlink()
    for name in ("keys/0001", "twins/keys/0001"):
        (place.folder / name).write_bytes(kept_keys)
    with closing(Repository.open(FolderStore(place.folder), identity=old_identity)) as thief:
        reader = thief.reader(info.id)
        assert reader.info.id == info.id
        with pytest.raises(Exception, match="master key 2"):
            list(reader.entries())


def test_encrypting_anew_is_gone_on_with_after_a_stop(place: Place) -> None:
    what = {str(n): noise(n, 400_000) for n in range(16)}
    info = place.back_up(what)
    calls = []

    def check() -> None:
        calls.append(time.monotonic())
        if len(calls) > 14:
            raise Stopped("Enough.")

    with closing(place.owner()) as repository, pytest.raises(Stopped):
        reencrypt(repository, control=Control(check=check))
    assert place.restored(info.id) == what
    with closing(place.owner()) as repository:
        report = reencrypt(repository)
        assert report.resumed
        assert report.finished
        assert repository.record.current.number == 2
    assert place.restored(info.id) == what
    with closing(place.owner()) as repository:
        assert verify_deep(repository).ok
