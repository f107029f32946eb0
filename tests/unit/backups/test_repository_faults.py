"""What breaks, lies, fills up or is killed: found, never restored wrong, and healed where the source still has it."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from apps.backups.repository import FolderStore, Repository, RepositoryError, losses, verify_cheap, verify_deep
from apps.backups.repository.errors import Damaged, NoSpace, StorageFailed
from apps.backups.repository.store import storage_error
from tests.lab.repositories import Contents, FaultyStore, Place, chunk_copies, contents, flip, noise, write

KINDS = {
    "a pack of contents": "packs/",
    "a twin of a pack of lists": "twins/packs/",
    "the record of a set": "sets/",
    "the twin of a set": "twins/sets/",
    "the keys": "keys/",
    "the twin of the keys": "twins/keys/",
    "the format": "format",
    "the twin of the format": "twins/format",
    "the read-me": "README.txt",
}


@pytest.fixture
def place(tmp_path: Path, small_packs: None) -> Place:
    return Place.make(tmp_path / "repository")


def restored_or_refused(place: Place, sets: dict[str, Contents]) -> int:
    """Each content is what was stored, or an error says that it is not to be had. Returns the number of refusals."""
    refused = 0
    for set_id, what in sets.items():
        try:
            with closing(place.owner()) as repository:
                reader = repository.reader(set_id)
                for path, data in what.items():
                    try:
                        assert reader.open(path).read() == data
                    except Damaged:
                        refused += 1
        except RepositoryError:
            refused += 1
    return refused


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["flipped", "removed", "truncated"])
def test_a_fault_is_found_never_restored_wrong_and_healed(place: Place, kind: str, fault: str) -> None:
    what = contents(files=5, dump=100_000)
    sets = {place.back_up(what).id: what}
    [target, *_] = sorted(place.objects(KINDS[kind]), key=lambda path: -path.stat().st_size)
    if fault == "flipped":
        flip(target, 1)
    elif fault == "removed":
        target.unlink()
    else:
        target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    with closing(place.server()) as repository:
        report = verify_cheap(repository)
    assert not report.ok, f"{target} was {fault} and not found"
    assert report.exit_code == 14
    restored_or_refused(place, sets)

    sets[place.back_up(what).id] = what
    assert restored_or_refused(place, sets) == 0
    with closing(place.server()) as repository:
        assert verify_cheap(repository).problems == []


def test_any_byte_of_a_pack_that_flips_is_found_without_any_key(place: Place) -> None:
    place.back_up(contents(files=3, dump=50_000))
    for seed in range(12):
        packs = place.objects("packs/")
        target = packs[seed % len(packs)]
        whole = target.read_bytes()
        flip(target, seed)
        with closing(Repository.open(FolderStore(place.folder))) as repository:
            report = verify_cheap(repository)
            assert [problem.kind for problem in report.problems] == ["pack"]
            assert report.notes
        target.write_bytes(whole)


def test_what_the_source_no_longer_has_is_named_file_by_file(place: Place) -> None:
    what = contents(files=5, dump=100_000)
    info = place.back_up(what)
    largest = max(place.objects("packs/"), key=lambda path: path.stat().st_size)
    largest.unlink()
    with closing(place.owner()) as repository:
        report = verify_cheap(repository)
        assert report.broken_sets == {info.id}
        lost = {entry.path for entry in losses(repository, info.id)}
    assert "db/dump.sql" in lost
    assert lost <= what.keys()


def test_the_deep_check_opens_every_chunk(place: Place) -> None:
    info = place.back_up(contents())
    with closing(place.owner()) as repository:
        report = verify_deep(repository)
        assert report.ok
        assert report.chunks_read >= info.chunks - 5
        assert report.packs_read == report.packs


def test_the_rota_reads_every_byte_in_so_many_runs(place: Place) -> None:
    for seed in range(4):
        place.back_up(contents(seed, files=3, dump=50_000))
    victim = place.objects("packs/")[3]
    flip(victim, 2)
    found = 0
    with closing(place.server()) as repository:
        total = verify_cheap(repository, share=0.0).packs
        read = 0
        for _ in range(total):
            report = verify_cheap(repository, share=0.3, mark=False)
            read += report.packs_read
            found += not report.ok
            if read >= total + 3:
                break
    assert found >= 1


def test_a_full_place_says_so_and_the_next_run_goes_on(place: Place) -> None:
    what = {str(n): noise(n, 500_000) for n in range(8)}
    first = place.back_up({"a": b"x"})
    with pytest.raises(NoSpace) as full:
        place.back_up(what, FaultyStore(place.folder, room=2_500_000))
    assert full.value.exit_code == 13
    with closing(place.server()) as repository:
        assert verify_cheap(repository).ok
        assert [info.id for info in repository.sets()] == [first.id]
    second = place.back_up(what)
    assert second.bytes_added < 3_000_000, "what fitted in was stored again"
    assert place.restored(second.id) == what


def test_a_run_that_ends_between_two_copies_of_its_lists_is_no_damage(place: Place) -> None:
    class Ends(FaultyStore):
        def put(self, name: str, data: bytes) -> None:
            if f"twins/{name}" in self.fresh:
                raise storage_error(name, OSError(errno.ENOSPC, "No space left on device"))
            super().put(name, data)

    first = place.back_up({"a": b"x"})
    with pytest.raises(NoSpace):
        place.back_up({"b": b"y"}, Ends(place.folder))
    with closing(place.server()) as repository:
        report = verify_cheap(repository)
        assert report.ok
        [note] = report.notes
        assert "no set needs it" in note
    second = place.back_up({"b": b"y"})
    assert place.restored(first.id) == {"a": b"x"}
    assert place.restored(second.id) == {"b": b"y"}


@pytest.mark.parametrize("fault", ["lose", "cut"])
def test_a_place_that_lies_now_and_then_is_asked_again(place: Place, fault: str) -> None:
    what = {str(n): noise(n, 400_000) for n in range(12)}
    store = FaultyStore(place.folder, **{fault: 2})  # type: ignore[arg-type]
    info = place.back_up(what, store)
    assert store.puts > 3
    assert place.restored(info.id) == what


@pytest.mark.parametrize("fault", ["lose", "cut"])
def test_a_place_that_always_lies_is_called_a_liar(place: Place, fault: str) -> None:
    with pytest.raises(StorageFailed, match="without an error"):
        place.back_up({"a": noise(1, 100_000)}, FaultyStore(place.folder, **{fault: 1}))  # type: ignore[arg-type]
    with closing(place.server()) as repository:
        assert repository.sets() == []
    info = place.back_up({"a": noise(1, 100_000)})
    assert place.restored(info.id) == {"a": noise(1, 100_000)}


def test_a_listing_that_lags_behind_loses_nothing(place: Place) -> None:
    what = contents()
    first = place.back_up(what)
    store = FaultyStore(place.folder)
    store.hide = {name for name, _ in FolderStore(place.folder).names("packs/")}
    with closing(place.server(store, cache=False)) as repository:
        second = write(repository, what)
    store.hide = store.fresh
    with closing(place.server(store)) as repository:
        third = write(repository, contents(2))
    for info, expected in ((first, what), (second, what), (third, contents(2))):
        assert place.restored(info.id) == expected


def test_a_network_that_breaks_ends_in_an_error_and_the_next_run_works(place: Place) -> None:
    what = {str(n): noise(n, 400_000) for n in range(12)}
    failed = 0
    for every in (3, 5, 7, 11, 13):
        try:
            place.back_up(what, FaultyStore(place.folder, refuse=every))
        except StorageFailed as error:
            failed += "Connection reset" in str(error)
    assert failed
    info = place.back_up(what)
    assert place.restored(info.id) == what
    with closing(place.server()) as repository:
        assert verify_cheap(repository).ok


def test_two_writers_at_once_do_not_disturb_each_other(place: Place) -> None:
    one, two = contents(1), contents(2)
    with closing(place.server()) as first, closing(place.server(cache=False)) as second:
        writers = [first.begin(kind="one", labels={}), second.begin(kind="two", labels={})]
        for (path, data), (other, more) in zip(one.items(), two.items(), strict=True):
            writers[0].add_bytes(path, data)
            writers[1].add_bytes(other, more)
            writers[1].add_bytes(f"also/{path}", data)
        infos = [writer.commit() for writer in writers]
    assert place.restored(infos[0].id) == one
    assert place.restored(infos[1].id) == two | {f"also/{path}": data for path, data in one.items()}
    with closing(place.server()) as repository:
        assert verify_cheap(repository).ok


_CHILD = """
import sys
from pathlib import Path
from apps.backups.repository import shipping
from tests.lab.repositories import Place, noise
shipping.PACK_SIZE = 1024 * 1024
place = Place(Path(sys.argv[1]), "", "", bytes.fromhex(sys.argv[2]))
print("ready", flush=True)
place.back_up({str(n): noise(n, 300_000) for n in range(60)})
print("done", flush=True)
"""


def test_kill_9_needs_no_hand_and_costs_no_durable_pack(place: Place, tmp_path: Path) -> None:
    what = {str(n): noise(n, 300_000) for n in range(60)}
    before = place.back_up({"a": b"x"})
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(place.folder), place.secret.hex()],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 60
    while len(place.objects("packs/")) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    durable = len(place.objects("packs/"))
    info = place.back_up(what)
    assert durable >= 4
    stored, once = chunk_copies(place)
    assert stored - once < 100_000, "durable packs were stored again"
    assert place.restored(info.id) == what
    assert place.restored(before.id) == {"a": b"x"}
    assert not any((place.folder / ".scratch").iterdir())


def test_a_lost_folder_is_no_repository_and_a_lost_half_is_named(place: Place) -> None:
    place.back_up(contents(files=2))
    shutil.rmtree(place.folder / "packs")
    with closing(place.server()) as repository:
        report = verify_cheap(repository)
    assert {problem.kind for problem in report.problems} == {"chunks", "pack"}
    assert len(report.broken_sets) == 1
