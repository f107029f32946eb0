"""A child of the benchmark of backups: one database, our own code, figures as JSON on the last line.

`python -m tests.benchmarks._backup_database sqlite|postgresql` with DATABASE_URL and AIWRITER_DATA_DIR in the environment.
A process of its own, because Django's database is chosen once in each.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from tests.lab.repositories import Place, text

MEGABYTES = int(os.environ.get("MEGABYTES", "300"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
ROW_BYTES = 3_000
RATE = 200
SECONDS = 6.0
Figures = dict[str, Any]


def rows(count: int, version: int = 0, first: int = 0) -> Any:
    """Number and text of rows: the same version gives the same text."""
    for number in range(first, first + count):
        yield number, text(number * 10 + version, ROW_BYTES)


def quiet() -> Any:
    """Progress that nobody reads."""
    from apps.backups.services.progress import Quiet

    return Quiet(lambda _text: None)


def timed(work: Any) -> tuple[float, Any]:
    """Seconds and the answer."""
    begun = time.perf_counter()
    answer = work()
    return time.perf_counter() - begun, answer


# ------------------------------------------------------------ SQLite
def on_sqlite(folder: Path) -> Figures:
    """The copy while somebody writes, and what a changed one adds."""
    from apps.backups.services import sqlite

    path, count = sqlite.live_path(), MEGABYTES * 1_000_000 // (ROW_BYTES + 300)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute("PRAGMA journal_mode=WAL")
        opened.execute("CREATE TABLE doc (id INTEGER PRIMARY KEY, ver INTEGER, body TEXT)")
        opened.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, doc INTEGER, ver INTEGER)")
        opened.execute("BEGIN")
        opened.executemany("INSERT INTO doc VALUES (?, 0, ?)", ((n, body.decode()) for n, body in rows(count)))
        opened.execute("COMMIT")
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    place = Place.make(folder / "repository")
    sizes = []
    for step in range(2):
        copy = folder / "copy.sqlite3"
        sqlite.copy_live(copy)
        with contextlib.closing(place.server()) as repository, repository.begin(kind="full") as writer:
            with copy.open("rb") as file:
                writer.add_stream("db", file, chunking="fixed")
            sizes.append(writer.commit().bytes_added)
        copy.unlink()
        if step == 0:
            _change_sqlite(path, count)
    figures: Figures = {"bytes": sizes, "database": path.stat().st_size, **_under_writes(path, folder)}
    seconds = []
    for _ in range(ROUNDS):
        took, _answer = timed(lambda: sqlite.copy_live(folder / "copy.sqlite3"))
        (folder / "copy.sqlite3").unlink()
        seconds.append(took)
    figures["copy"] = statistics.median(seconds)
    return figures


def _change_sqlite(path: Path, count: int) -> None:
    """1 % written anew, here and there, and 1 % more."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute("BEGIN")
        for number in random.Random(1).sample(range(count), count // 100):
            opened.execute(
                "UPDATE doc SET ver = 1, body = ? WHERE id = ?", (text(number * 10 + 1, ROW_BYTES).decode(), number)
            )
        more = ((number, body.decode()) for number, body in rows(count // 100, first=count))
        opened.executemany("INSERT INTO doc VALUES (?, 0, ?)", more)
        opened.execute("COMMIT")


def _under_writes(path: Path, folder: Path) -> Figures:
    """Transactions a second and the worst stall of a writer, without a copy and while copies are made."""
    from apps.backups.services import sqlite

    took: list[tuple[float, float]] = []
    over = threading.Event()
    report = folder / "writes"
    writer = subprocess.Popen([sys.executable, "-m", "tests.benchmarks._backup_database", "write", str(path), report])
    try:
        while not report.exists() or report.stat().st_size < 1000:
            time.sleep(0.05)
        still = (time.time(), time.time() + SECONDS)
        time.sleep(SECONDS)
        begun = time.time()
        while time.time() - begun < SECONDS:
            sqlite.copy_live(folder / "copy.sqlite3")
            (folder / "copy.sqlite3").unlink()
        busy = (begun, time.time())
    finally:
        over.set()
        (folder / "stop").touch()
        writer.wait(30)
    for line in report.read_text().splitlines():
        at, seconds = line.split()
        took.append((float(at), float(seconds)))

    def window(span: tuple[float, float]) -> tuple[float, float]:
        found = [seconds for at, seconds in took if span[0] <= at <= span[1]]
        return len(found) / (span[1] - span[0]), max(found, default=0.0) * 1000

    (tps_still, stall_still), (tps, stall) = window(still), window(busy)
    return {"tps_still": tps_still, "stall_still": stall_still, "tps": tps, "stall": stall}


def write(path: str, report: str) -> None:
    """The writer: a row and a line of the log in one transaction, RATE times a second, until a file `stop` is there."""
    stop, number, start = Path(report).with_name("stop"), 0, time.time()
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as opened,
        Path(report).open("w") as out,
    ):
        opened.execute("PRAGMA synchronous=NORMAL")
        while not stop.exists():
            number += 1
            if (wait := start + number / RATE - time.time()) > 0:
                time.sleep(wait)
            begun = time.time()
            opened.execute("BEGIN IMMEDIATE")
            opened.execute("UPDATE doc SET ver = ver + 1 WHERE id = ?", (number % 1000,))
            opened.execute("INSERT INTO log (doc, ver) SELECT id, ver FROM doc WHERE id = ?", (number % 1000,))
            opened.execute("COMMIT")
            out.write(f"{begun:.4f} {time.time() - begun:.6f}\n")
            out.flush()


# ------------------------------------------------------------ PostgreSQL
def on_postgresql(folder: Path) -> Figures:
    """Dumps, bases with an increment, a moment, and a segment of the log."""
    from apps.backups.services import postgres

    url = os.environ["DATABASE_URL"]
    count = MEGABYTES * 1_000_000 // (ROW_BYTES + 200)
    fill(url, count)
    place = Place.make(folder / "repository")
    figures: Figures = {"dump": [], "pipe": [], "pipe_bytes": 0}
    dump = [postgres.program("pg_dump", 0), "--format=plain", url.replace("postgres://", "postgresql://")]
    pipe = f"{dump[0]} --format=plain '{dump[2]}' | zstd -3 -T2 -q -f -o {folder / 'dump.zst'}"
    for turn in range(ROUNDS):
        place = Place.make(folder / f"repository-{turn}")
        figures["pipe"].append(timed(partial(subprocess.run, ["bash", "-o", "pipefail", "-c", pipe], check=True))[0])
        seconds, first = timed(partial(_dumped, place, folder))
        figures["dump"].append(seconds)
    figures["pipe_bytes"] = (folder / "dump.zst").stat().st_size
    change(url, count)
    seconds, second = timed(lambda: _dumped(place, folder))
    figures |= {"bytes": [first, second], "second": seconds}
    return figures | _physical(folder, url, count)


def fill(url: str, count: int) -> None:
    """A table of texts."""
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("CREATE TABLE doc (id int PRIMARY KEY, body text NOT NULL)")
        # Stored as they are: compressed rows would hide what compression of the backups does.
        opened.execute("ALTER TABLE doc ALTER body SET STORAGE EXTERNAL")
        with opened.cursor().copy("COPY doc FROM STDIN") as copy:
            for row in rows(count):
                copy.write_row((row[0], row[1].decode()))
        opened.execute("VACUUM ANALYZE doc")


def change(url: str, count: int) -> None:
    """1 % of the rows written anew, here and there."""
    with psycopg.connect(url, autocommit=True) as opened, opened.transaction():
        for number in random.Random(1).sample(range(count), count // 100):
            opened.execute(
                "UPDATE doc SET body = %s WHERE id = %s", (text(number * 10 + 1, ROW_BYTES).decode(), number)
            )


def _dumped(place: Place, folder: Path) -> int:
    """A set of the dump. Returns the bytes that it added."""
    from apps.backups.services import postgres

    with (
        postgres.snapshot(folder) as state,
        contextlib.closing(place.server()) as repository,
        repository.begin(kind="full") as writer,
    ):
        state.write(writer, quiet())
        return writer.commit().bytes_added


def _physical(folder: Path, url: str, count: int) -> Figures:
    from apps.backups.repository import FolderStore, Repository
    from apps.backups.repository.segments import read_line
    from apps.backups.services import capture_postgres, moments, postgres_base
    from apps.backups.services.capture_chain import Chain
    from apps.backups.services.capture_state import CaptureState
    from apps.backups.services.postgres_taking import Full, take_base

    place = Place.make(folder / "bases")
    writing = Repository.open(FolderStore(place.folder), cache=place.cache, writer_secret=place.secret)
    capture = capture_postgres.PostgresCapture(Chain(CaptureState(destination="bench"), writing), seconds=1.0)
    capture.start(lambda line: read_line(writing, line))
    state = capture._chain.state
    marks = _Marks(url)
    try:
        full: Full | None = None
        taken: list[tuple[float, dict[str, Any], int]] = []
        for _ in range(2):
            capture.step(asked=True)
            facts: dict[str, Any] = {"line": state.line, "first": state.number + 1}

            def take(facts: dict[str, Any] = facts, full: Full | None = full) -> Any:
                with writing.begin(kind="full") as writer:
                    facts["base"] = take_base(writer, quiet(), line=state.line, full=full)
                    capture.step(asked=True)
                    facts |= {"last": state.number, "from": state.until}
                    return writer.commit({"capture": facts})

            seconds, info = timed(take)
            taken.append((seconds, facts["base"], info.bytes_added))
            if full is None:
                manifest = next(path for path in _manifests() if path.name.endswith(info.id))
                full = Full(info.id, manifest)
                with psycopg.connect(url, autocommit=True) as opened:
                    for number in random.Random(2).sample(range(count), count // 100):
                        opened.execute(
                            "UPDATE doc SET body = %s WHERE id = %s",
                            (text(number * 10 + 2, ROW_BYTES).decode(), number),
                        )
        marks.write(2.0)
        moment = time.time()
        marks.write(2.0)
        capture.step(asked=True)
        segment = _ship(writing)
        figures = {"bases": [[seconds, base["bytes"], added] for seconds, base, added in taken], "segment": segment}
        figures["segment16"] = _seal_megabytes(capture, writing)
        _ship(writing)
    finally:
        capture.close()
    reading = Repository.open(FolderStore(place.folder), identity=place.identity)
    import datetime as dt

    choice = moments.choose(reading, dt.datetime.fromtimestamp(moment, dt.UTC))
    begun = time.perf_counter()
    with postgres_base.recovered(reading, choice, reading.reader(choice.base), quiet()) as dump:
        figures["rto"] = time.perf_counter() - begun
        found = b"".join(iter(lambda: dump.read(1 << 20), b""))
    figures["rto_dumped"] = time.perf_counter() - begun
    got = {
        int(line.split(b"\t")[0])
        for line in found.partition(b"COPY public.marks (n) FROM stdin;\n")[2].partition(b"\\.")[0].splitlines()
    }
    figures["marks"], figures["wrong"] = len(got), len(marks.wrong(got, moment))
    return figures


def _manifests() -> list[Path]:
    from apps.backups.services.capture_state import capture_folder

    return list((capture_folder() / "bases").iterdir())


class _Marks:
    """A row every few milliseconds, and when it was begun and done."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.begun: dict[int, float] = {}
        self.done: dict[int, float] = {}
        with psycopg.connect(url, autocommit=True) as opened:
            opened.execute("CREATE TABLE marks (n int)")

    def write(self, seconds: float) -> None:
        """For so long."""
        with psycopg.connect(self._url, autocommit=True) as opened:
            end = time.time() + seconds
            while time.time() < end:
                number = len(self.begun) + 1
                self.begun[number] = time.time()
                opened.execute("INSERT INTO marks VALUES (%s)", (number,))
                self.done[number] = time.time()
                time.sleep(0.02)

    def wrong(self, got: set[int], moment: float) -> set[int]:
        """Rows that are there and should not be, or the other way."""
        return {n for n in got if self.begun[n] > moment} | {
            n for n, at in self.done.items() if at <= moment and n not in got
        }


def _ship(writing: Any) -> float:
    """What waits in the spool, into the repository. Returns the seconds of the last segment."""
    from apps.backups.services import capture_state

    last = 0.0
    for folder in sorted(path for path in capture_state.spool_folder().iterdir() if path.is_dir()):
        for path in sorted(folder.iterdir(), key=lambda each: (each.name != "line", each.name)):
            name = f"lines/{folder.name}" if path.name == "line" else f"segments/{folder.name}/{path.name}"
            last, _none = timed(lambda name=name, path=path: writing.records.put(name, path.read_bytes()))
            path.unlink()
    return last


def _seal_megabytes(capture: Any, writing: Any) -> float:
    """16 MiB of real log: sealed, durable in the spool, and durable in the repository."""
    from apps.backups.services import capture_state

    wal = sorted(capture_state.capture_folder().glob("wal/*"))
    data = b"".join(path.read_bytes() for path in wal)
    body = (data * (1 + 16 * 2**20 // max(1, len(data))))[: 16 * 2**20]
    state, seconds = capture._chain.state, []
    for _ in range(5):
        begun = time.perf_counter()
        capture._chain.add(since=state.until, until=state.until, body=body, position=state.position)
        _ship(writing)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def main(engine: str) -> None:
    """Measure one of them."""
    import django

    django.setup()
    with tempfile.TemporaryDirectory(prefix="aiwriter-bench-") as name:
        figures = on_sqlite(Path(name)) if engine == "sqlite" else on_postgresql(Path(name))
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(*sys.argv[2:4])
    else:
        main(sys.argv[1])
