"""The capture of SQLite: every commit is taken, in order, whatever happens to the process and to the log."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aiwriter.core.errors import InvalidInput
from apps.backups.repository import FolderStore, Repository, make_identity
from apps.backups.repository.records import TWIN
from apps.backups.repository.segments import SegmentLost, listing, read_line, walk
from apps.backups.repository.verifying import verify_cheap, verify_deep
from apps.backups.services import capture, capture_chain, capture_sqlite, capture_state, moments
from apps.backups.services.capture_chain import Chain
from apps.backups.services.capture_sqlite import SqliteCapture
from apps.backups.services.capture_state import CaptureState
from apps.backups.services.repositories import RepositoryProblem


class Still:
    """A progress that says nothing."""

    def progress(self, *_: Any) -> None:
        """Nothing."""

    def phase(self, *_: Any) -> None:
        """Nothing."""

    def check(self) -> None:
        """Nothing."""

    def say(self, _text: str) -> None:
        """Nothing."""


class Bench:
    """A database that is written to, and its capture into a repository in a folder."""

    def __init__(self, folder: Path) -> None:
        identity, recipient = make_identity()
        self.path = folder / "live.sqlite3"
        self.store = FolderStore(folder / "repository")
        secret = Repository.create(self.store, recipients=[recipient]).writer_secret
        self.writing = Repository.open(self.store, writer_secret=secret)
        self.reading = Repository.open(self.store, identity=identity)
        self.writer = sqlite3.connect(self.path, isolation_level=None)
        self.writer.execute("PRAGMA journal_mode=WAL")
        self.writer.execute("PRAGMA wal_autocheckpoint=0")
        self.writer.execute("CREATE TABLE t (n integer primary key, said text)")
        self.base = folder / "base.sqlite3"
        self.count = 0
        self.state = CaptureState(destination="x")
        self.chain = Chain(self.state, self.writing)
        self.capture = SqliteCapture(self.path, self.chain, seconds=0.0)
        self.capture.start(lambda line: read_line(self.writing, line))

    def copy_base(self) -> None:
        """A base as a backup makes it."""
        self.facts = {"line": self.state.line, "first": self.state.number + 1}
        with contextlib.closing(sqlite3.connect(self.base)) as target:
            self.writer.backup(target)
        self.capture.step(asked=True)
        self.facts |= {"last": self.state.number, "from": self.state.until}

    def write(self, rows: int = 1, size: int = 2000) -> float:
        """Rows, each its own transaction; a time afterwards with rest around it, as a look at the log is not an instant."""
        for _ in range(rows):
            self.count += 1
            self.writer.execute("INSERT INTO t VALUES (?, ?)", (self.count, "x" * size))
        self.capture.step(asked=True)
        time.sleep(0.002)
        moment = time.time()
        time.sleep(0.02)
        return moment

    def again(self) -> None:
        """The process died: its connections are gone, nothing more was sealed; a new one comes."""
        self.capture._sampler.finish()  # type: ignore[union-attr]
        self.capture._log.close()
        self.state = capture_state.read_state() or CaptureState()
        self.chain = Chain(self.state, self.writing)
        self.capture = SqliteCapture(self.path, self.chain, seconds=0.0)
        self.capture.start(self._known)

    def _known(self, line: str) -> Any:
        self.ship()
        return read_line(self.writing, line)

    def ship(self) -> None:
        """What the shipper does, without a destination."""
        for folder in sorted(capture_state.spool_folder().iterdir()):
            for path in sorted(folder.iterdir()):
                name = f"lines/{folder.name}" if path.name == "line" else f"segments/{folder.name}/{path.name}"
                self.writing.records.put(name, path.read_bytes())
                path.unlink()

    def at(self, moment: float) -> list[int]:
        """The rows of a moment, restored from base and repository."""
        self.capture.step(asked=True)
        self.ship()
        info = type("Info", (), {"id": "base", "created": dt.datetime.now(dt.UTC), "extra": {"capture": self.facts}})
        choice = moments.choose(self.reading, dt.datetime.fromtimestamp(moment, dt.UTC), infos=[info])
        path = self.base.with_suffix(".restored")
        path.write_bytes(self.base.read_bytes())
        moments.put_over(self.reading, choice, path, Still())  # type: ignore[arg-type]
        with contextlib.closing(sqlite3.connect(path)) as opened:
            assert opened.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            return [row[0] for row in opened.execute("SELECT n FROM t ORDER BY n")]


@pytest.fixture
def bench(tmp_path: Path, settings: Any) -> Iterator[Bench]:
    """A bench in a folder of its own."""
    settings.DATA_DIR = tmp_path / "data"
    made = Bench(tmp_path)
    yield made
    made.capture.close()
    made.writer.close()


def test_each_moment_has_the_rows_of_that_moment(bench: Bench) -> None:
    bench.write(3)
    bench.copy_base()
    first = bench.write(2)
    second = bench.write(4)
    third = bench.write()
    assert [len(bench.at(moment)) for moment in (first, second, third)] == [5, 9, 10]
    assert bench.state.gaps == []


def test_the_log_stays_short_and_nothing_is_lost_when_it_is_started_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_sqlite, "_LONG", 20)
    bench.copy_base()
    seen = []
    salts = set()
    for _ in range(30):
        bench.capture._turned = 0.0
        seen.append((bench.write(5), bench.count))
        salts.add(bench.state.position["salt"])
    assert len(salts) > 3
    assert Path(f"{bench.path}-wal").stat().st_size < 60 * 4120
    assert bench.state.gaps == []
    for moment, count in seen[::7]:
        assert bench.at(moment) == list(range(1, count + 1))


def test_others_cannot_empty_the_log_while_it_is_captured(bench: Bench) -> None:
    bench.copy_base()
    bench.write(3)
    with contextlib.closing(sqlite3.connect(bench.path, timeout=0)) as other:
        for mode in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
            with contextlib.suppress(sqlite3.OperationalError):
                other.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    after = bench.write(3)
    assert len(bench.at(after)) == 6
    assert bench.state.gaps == []


def test_a_capture_of_an_empty_log_sees_its_first_writer(bench: Bench) -> None:
    bench.capture.close()
    bench.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    bench.writer.close()
    bench.writer = sqlite3.connect(bench.path, isolation_level=None)
    bench.capture = SqliteCapture(bench.path, bench.chain, seconds=0.0)
    bench.capture.start(bench._known)
    line = bench.state.line
    bench.copy_base()
    after = bench.write(3)
    assert bench.state.line == line
    assert len(bench.at(after)) == 3


def test_a_killed_process_goes_on_where_it_was(bench: Bench) -> None:
    bench.copy_base()
    bench.write(2)
    line = bench.state.line
    for _ in range(3):
        # Committed while nobody captures.
        bench.count += 1
        bench.writer.execute("INSERT INTO t VALUES (?, 'unseen')", (bench.count,))
        bench.again()
        bench.write()
    assert bench.state.line == line
    assert bench.state.gaps == []
    assert bench.at(bench.write()) == list(range(1, bench.count + 1))


def test_a_moment_while_nobody_captured_says_which_state_it_gives(bench: Bench) -> None:
    bench.copy_base()
    before = bench.write(2)
    bench.count += 1
    bench.writer.execute("INSERT INTO t VALUES (?, 'unseen')", (bench.count,))
    time.sleep(0.2)
    between = time.time()
    bench.again()
    bench.write()
    info = type("Info", (), {"id": "base", "created": dt.datetime.now(dt.UTC), "extra": {"capture": bench.facts}})
    bench.ship()
    choice = moments.choose(bench.reading, dt.datetime.fromtimestamp(between, dt.UTC), infos=[info])
    path = bench.base.with_suffix(".restored")
    path.write_bytes(bench.base.read_bytes())
    reached = moments.put_over(bench.reading, choice, path, Still())  # type: ignore[arg-type]
    assert reached / 1000 <= before
    with contextlib.closing(sqlite3.connect(path)) as opened:
        assert opened.execute("SELECT count(*) FROM t").fetchone()[0] == 2


def test_a_log_that_was_emptied_while_nobody_captured_begins_a_new_line(bench: Bench) -> None:
    bench.copy_base()
    bench.write(2)
    # Up to here everything was captured; what came a moment later, nobody knows.
    last, line = bench.state.until / 1000, bench.state.line
    bench.capture._sampler.finish()  # type: ignore[union-attr]
    bench.capture._log.close()
    bench.count += 1
    bench.writer.execute("INSERT INTO t VALUES (?, 'never captured')", (bench.count,))
    bench.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    bench.writer.execute("UPDATE t SET said = 'changed'")
    bench.state = capture_state.read_state() or CaptureState()
    bench.chain = Chain(bench.state, bench.writing)
    bench.capture = SqliteCapture(bench.path, bench.chain, seconds=0.0)
    bench.capture.start(bench._known)
    after = bench.write()
    assert bench.state.line != line
    assert "log was started anew" in bench.state.gaps[-1]["why"]
    assert len(bench.at(last)) == 2
    with pytest.raises(InvalidInput, match="no changes were captured"):
        bench.at(after)


def test_a_large_commit_is_in_several_segments_and_whole_or_absent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_sqlite, "_BODY", 64 * 1024)
    bench.copy_base()
    before = bench.write()
    number = bench.state.number
    bench.writer.execute("BEGIN")
    for _ in range(200):
        bench.count += 1
        bench.writer.execute("INSERT INTO t VALUES (?, ?)", (bench.count, "y" * 3000))
    bench.writer.execute("COMMIT")
    after = bench.write()
    assert bench.state.number > number + 4
    assert len(bench.at(before)) == 1
    assert len(bench.at(after)) == 202


def test_what_is_not_carried_away_counts_from_its_oldest_change(bench: Bench) -> None:
    state = bench.state
    begun = time.time()
    bench.write()
    oldest = state.pending_since
    assert begun - 0.1 <= oldest <= time.time()
    bench.write(3)
    assert (state.pending_since, state.shipped) == (oldest, 0)
    state.shipped, state.shipped_until = state.number, state.until
    bench.capture.step(asked=True)
    assert state.lag == 0.0


def test_a_change_after_a_quiet_time_is_not_as_old_as_the_quiet(bench: Bench) -> None:
    state = bench.state
    bench.write()
    state.shipped, state.shipped_until = state.number, state.until - 500_000
    bench.write()
    assert state.shipped < state.number
    assert 0.0 < state.lag < 5.0


def test_a_lost_segment_is_named_and_one_copy_is_enough(bench: Bench) -> None:
    bench.copy_base()
    bench.write()
    bench.write()
    after = bench.write()
    bench.at(after)
    stored = listing(bench.reading, bench.state.line)[-2]
    bench.store.delete(stored.name)
    assert len(bench.at(after)) == 3
    bench.store.delete(TWIN + stored.name)
    with pytest.raises(RepositoryProblem, match=f"Segment {stored.number} of the capture is missing") as refused:
        bench.at(after)
    assert refused.value.exit_code == 14


def test_a_bent_or_exchanged_segment_is_never_put_over(bench: Bench) -> None:
    bench.copy_base()
    bench.write()
    bench.write()
    after = bench.write()
    bench.at(after)
    first, second = listing(bench.reading, bench.state.line)[-3:-1]
    good = bench.store.get(second.name)
    bent = bytearray(good)
    bent[len(bent) // 2] ^= 1
    for data in (bytes(bent), bench.store.get(first.name), good[:-100]):
        for place in ("", TWIN):
            bench.store.put(place + second.name, data)
        with pytest.raises(RepositoryProblem, match=f"Segment {second.number} of the capture"):
            bench.at(after)


def test_a_check_tells_and_mends_what_is_missing_of_a_line(bench: Bench) -> None:
    bench.copy_base()
    for _ in range(4):
        bench.write()
    bench.ship()
    record, stored = f"lines/{bench.state.line}", listing(bench.reading, bench.state.line)
    assert verify_deep(bench.reading).ok
    bench.store.delete(record)
    bench.store.delete(TWIN + stored[2].name)
    assert {problem.name for problem in verify_cheap(bench.writing).problems} == {record}
    assert bench.store.get(TWIN + stored[2].name) == bench.store.get(stored[2].name)
    assert bench.writing.mend_records() == []
    assert verify_cheap(bench.writing).ok
    for place in ("", TWIN):
        bench.store.delete(place + record)
        bench.store.delete(place + stored[1].name)
    told = {problem.name: problem.what for problem in verify_cheap(bench.writing).problems}
    assert told == {record: "missing", f"segments/{bench.state.line}": f"segment {stored[1].number} is missing"}


def test_a_deep_check_reads_every_segment(bench: Bench) -> None:
    for _ in range(3):
        bench.write()
    bench.ship()
    bent = listing(bench.reading, bench.state.line)[1]
    data = bytearray(bench.store.get(bent.name))
    data[len(data) // 2] ^= 1
    for place in ("", TWIN):
        bench.store.put(place + bent.name, bytes(data))
    assert verify_cheap(bench.writing).ok
    assert [problem.what for problem in verify_deep(bench.reading).problems] == [
        f"segment {bent.number} is damaged in both its copies"
    ]


def test_a_foreign_chain_is_refused(bench: Bench) -> None:
    bench.copy_base()
    bench.write()
    bench.at(bench.write())
    chosen = listing(bench.reading, bench.state.line)
    with pytest.raises(SegmentLost, match="Segment 2 "):
        list(walk(bench.reading, [chosen[0], *chosen[2:]]))


def test_a_full_spool_loses_nothing_and_says_so_until_it_has_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.copy_base()
    before = bench.write(3)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(capture_chain, "write_whole", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left") as caught:
                bench.write(2)
    during = time.time()
    problem, remedy = capture.spool_problem(caught.value)
    bench.state.tell("source", problem, remedy)
    # The shipper, which has nothing to carry, does not take that back.
    bench.state.well("shipper")
    assert "No space left on device" in bench.state.problem
    assert "Make space" in bench.state.remedy
    time.sleep(0.06)
    after = bench.write(1)
    bench.state.well("source")
    assert (bench.state.problem, bench.state.remedy) == ("", "")
    assert bench.at(before) == [1, 2, 3]
    assert bench.at(during) == [1, 2, 3, 4, 5, 6, 7]
    assert bench.at(after) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_clock_that_is_set_back_is_told_and_holds_nothing_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.copy_base()
    bench.write(2)
    number, by = bench.state.number, 3600.0
    real = time.time
    monkeypatch.setattr(capture_sqlite, "time", SimpleNamespace(time=lambda: real() - by, monotonic=time.monotonic))
    bench.capture._seconds = 5.0
    bench.writer.execute("INSERT INTO t VALUES (3, 'later')")
    bench.capture._sampler.look()  # type: ignore[union-attr]
    bench.capture._noted = 0.0
    assert bench.capture.step(asked=False), "it does not wait until the clock has caught up"
    assert bench.state.number > number
    assert "set back by 3,600 s" in bench.state.problem
    assert "timedatectl" in bench.state.remedy
    by, bench.capture._noted = 0.0, 0.0
    bench.capture.step(asked=False)
    assert bench.state.problem == ""
    bench.count = 3
    assert bench.at(bench.write(1)) == [1, 2, 3, 4]
