"""Marks are written each second, and five random moments are restored exactly, on SQLite and PostgreSQL, from repository and key alone.

The portal's database is filled and written to (RATE transactions a second beside the marks) for SECONDS (default 60) while every
change is captured. The capturing process is killed with kill -9 KILLS times (default 3) meanwhile. Then the portal's
folder is hidden, and TARGETS (default 5) random moments are rebuilt into empty folders from repository and key alone. Each
holds every mark that was committed before the moment and none that was begun after it. Where the portal says that it reaches
only an earlier moment than the one asked for (a change was made in that twentieth of a second, or the process was just
killed), the marks are held against that one. Last, a segment is removed: the moment after it is refused by its number.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.lab.portal import ROOT
from tests.lab.repositories import whole
from tests.proofs import expect
from tests.servers.postgres import Postgres

SECONDS = float(os.environ.get("SECONDS", "60"))
RATE = int(os.environ.get("RATE", "50"))
KILLS = int(os.environ.get("KILLS", "3"))
TARGETS = int(os.environ.get("TARGETS", "5"))
SEED = int(os.environ.get("SEED", str(random.randrange(10**6))))
ONLY = os.environ.get("ONLY", "sqlite postgresql").split()
# A commit's time is known to a twentieth of a second; a busy machine looks a little later.
EXACT = 0.5
PROGRAMS: list[str] = []
TABLES = (
    "CREATE TABLE proof_mark (n integer PRIMARY KEY, said text NOT NULL)",
    "CREATE TABLE proof_noise (id integer PRIMARY KEY, said text NOT NULL)",
)
SWITCH_ON = """
from apps.backups.models import Policy
from apps.backups.services.policies import update_policy
from apps.users.selectors.access import Actor
update_policy(actor=Actor.system_actor("proof"), policy_id=Policy.objects.get().pk, pitr=True, pitr_seconds=2)
"""


@dataclass
class Marks:
    """When each mark was begun and when it was committed."""

    begun: dict[int, float] = field(default_factory=dict)
    done: dict[int, float] = field(default_factory=dict)


def environment_of(folder: Path, url: str) -> dict[str, str]:
    """Of a portal in a folder of its own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AIWRITER_")}
    return {
        **clean,
        "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
        "AIWRITER_DATA_DIR": str(folder),
        "DATABASE_URL": url,
        **({"AIWRITER_PG_BIN": PROGRAMS[0]} if PROGRAMS else {}),
    }


def manage(environment: dict[str, str], *words: str, ok: bool = True) -> str:
    """Run a command of the portal and return what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    expect(not ok or done.returncode == 0, f"manage.py {' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}")
    return done.stdout if ok else f"{done.returncode} {done.stdout}{done.stderr}"


def answer(text: str) -> Any:
    """The JSON object that a command printed last."""
    return json.loads(text.strip().splitlines()[-1])


class Sqlite:
    """The portal's own database file."""

    name = "SQLite"

    def url(self, folder: Path) -> str:
        """Of a portal's database."""
        return f"sqlite:///{folder / 'aiwriter.sqlite3'}"

    def connect(self, url: str) -> Any:
        """For the writer."""
        opened = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60, isolation_level=None)
        opened.execute("PRAGMA synchronous=NORMAL")
        opened.execute("PRAGMA wal_autocheckpoint=0")
        return opened

    def marks(self, url: str) -> set[int]:
        """The marks of a restored database, which is whole."""
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
            found = whole(opened)
            expect(found == "ok", f"integrity: {found}")
            return {row[0] for row in opened.execute("SELECT n FROM proof_mark")}


class Server:
    """A PostgreSQL of the proof's own; each restored portal gets a database there."""

    name = "PostgreSQL"

    def __init__(self, server: Postgres) -> None:
        self._server = server

    def url(self, folder: Path) -> str:
        """Of a portal's database, made when it is asked for the first time."""
        name = "p_" + folder.name.replace("-", "_")
        with psycopg.connect(self._server.url, autocommit=True) as opened:
            if not opened.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                opened.execute(f'CREATE DATABASE "{name}"')
        return f"{self._server.url.rpartition('/')[0]}/{name}"

    def connect(self, url: str) -> Any:
        """For the writer."""
        return psycopg.connect(url, autocommit=True)

    def marks(self, url: str) -> set[int]:
        """The marks of a restored database."""
        with psycopg.connect(url) as opened:
            return {row[0] for row in opened.execute("SELECT n FROM proof_mark")}


def write(database: Any, url: str, marks: Marks, over: threading.Event) -> None:
    """A mark each second and noise in between, each its own transaction."""
    sign = "?" if url.startswith("sqlite") else "%s"
    with contextlib.closing(database.connect(url)) as opened:
        number, start = 0, time.time()
        while not over.is_set():
            number += 1
            if number % RATE == 1:
                mark = number // RATE
                marks.begun[mark] = time.time()
                opened.execute(f"INSERT INTO proof_mark VALUES ({sign}, 'mark')", (mark,))
                marks.done[mark] = time.time()
            else:
                opened.execute(f"INSERT INTO proof_noise VALUES ({sign}, '{'tide ' * 200}')", (number,))
            if (wait := start + number / RATE - time.time()) > 0:
                time.sleep(wait)


class Capturing:
    """The capturing process, started anew when it is killed, as the supervisor does."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment, self._log = environment, log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", "backup_capture"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """kill -9, and a new one."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def stop(self) -> None:
        """As the supervisor stops it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(600)


def iso(moment: float) -> str:
    """As the command wants it."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()


def one(database: Any, folder: Path, dice: random.Random) -> str:
    """Everything on one database."""
    live = folder / "live"
    live.mkdir()
    url = database.url(live)
    environment = environment_of(live, url)
    manage(environment, "prepare")
    manage(environment, "shell", "-c", SWITCH_ON)
    with contextlib.closing(database.connect(url)) as opened:
        for statement in TABLES:
            opened.execute(statement)
    key = manage(environment, "keys", "show").strip()
    capturing = Capturing(environment, folder / "capture.log")
    marks, over = Marks(), threading.Event()
    writer = threading.Thread(target=write, args=(database, url, marks, over))
    try:
        state = live / "backups/capture/state.json"
        wait_for(lambda: state.is_file() and json.loads(state.read_text())["beat"] > time.time() - 5, "the capture")
        writer.start()
        made = answer(manage(environment, "backup", "--json"))
        expect(made["ok"], f"backup: {made}")
        begun = time.time() + 1
        kills = sorted(dice.uniform(2, SECONDS - 4) for _ in range(KILLS))
        for at in kills:
            time.sleep(max(0.0, begun + at - time.time()))
            capturing.kill()
        time.sleep(max(0.0, begun + SECONDS - time.time()))
        ended = time.time() - 1
        wait_for(lambda: json.loads(state.read_text())["shipped_until"] > ended * 1000, "the last segment")
        found = answer(manage(environment, "restore", "moments", "--json"))
    finally:
        over.set()
        writer.join(300)
        capturing.stop()
    for gap in found["gaps"]:
        print(f"   noticed: {gap}", flush=True)
    spans = [
        (dt.datetime.fromisoformat(s["since"]).timestamp(), dt.datetime.fromisoformat(s["until"]).timestamp())
        for s in found["spans"]
    ]
    expect(spans, f"no moment can be reached: {found}")
    in_place = go_back(
        database, environment, url, dice.uniform(max(begun, spans[-1][0]), min(ended, spans[-1][1])), marks
    )
    repository = live.rename(folder / "hidden") / "backups/repository"
    low, high = max(begun, spans[-1][0]), min(ended, spans[-1][1])
    targets, seconds, short = list[float](), list[float](), list[float]()
    while sum(each <= EXACT for each in short) < TARGETS:
        expect(len(short) < TARGETS * 3, f"too few moments are exact: {short}")
        targets.append(dice.uniform(low, high))
        took, before = rebuild(database, folder, repository, key, targets, marks)
        seconds.append(took)
        short.append(before)
    refused = lose_one(repository, folder, database, key, targets)
    gaps = len(found["gaps"])
    return (
        f"{database.name}: {TARGETS} of {TARGETS} moments exact to {max(each for each in short if each <= EXACT) * 1000:.0f} ms, "
        f"{len(short) - TARGETS} drawn while the process was killed gave the state before it, {len(marks.done)} marks, "
        f"{KILLS} kills, {gaps} gaps noticed, {in_place} RTO {statistics.median(seconds):.1f} s (worst {max(seconds):.1f}); {refused}"
    )


def go_back(database: Any, environment: dict[str, str], url: str, target: float, marks: Marks) -> str:
    """The living portal itself, brought back to a moment in place."""
    done = answer(manage(environment, "restore", "database", "--json", "--yes", "--moment", iso(target)))
    expect(done["ok"], f"restore in place: {done}")
    there, reached = database.marks(url), done["result"]["reached"] / 1000
    missing = {n for n, at in marks.done.items() if at < reached and n not in there}
    later = {n for n in there if marks.begun[n] > reached}
    expect(
        not missing and not later,
        f"in place, {iso(target)}: {sorted(missing)} are missing, {sorted(later)} are of later",
    )
    return f"once in place in {done['seconds']:.1f} s,"


def rebuild(
    database: Any, folder: Path, repository: Path, key: str, targets: list[float], marks: Marks
) -> tuple[float, float]:
    """The last of the moments in an empty folder; seconds, and how long before it the state is that was reached."""
    target = targets[-1]
    empty = folder / f"empty-{len(targets)}"
    empty.mkdir()
    place = database.url(empty)
    words = ("restore", "rebuild", "--json", "--repo", str(repository), "--key", key, "--moment", iso(target))
    rebuilt = answer(manage(environment_of(empty, place), *words))
    reached = rebuilt["reached"] / 1000
    expect(reached <= target + 0.001, f"asked for {target}, got {reached}")
    there = database.marks(place)
    missing = {n for n, at in marks.done.items() if at < reached and n not in there}
    later = {n for n in there if marks.begun[n] > reached}
    expect(not missing, f"{database.name}, {iso(target)}: marks {sorted(missing)} are missing of {len(there)}")
    expect(not later, f"{database.name}, {iso(target)}: marks {sorted(later)} are of later")
    return rebuilt["rto_seconds"], target - reached


def lose_one(repository: Path, folder: Path, database: Any, key: str, targets: list[float]) -> str:
    """Remove both copies of a segment: the moment after it is refused, by the number of the segment."""
    line = max(path.name for path in (repository / "segments").iterdir())
    stored = sorted((repository / "segments" / line).iterdir())
    last = max(targets)
    needed = [path for path in stored if int(path.name.partition("-")[2]) < last * 1000][-1]
    needed.unlink()
    (repository / "twins/segments" / line / needed.name).unlink()
    empty = folder / "refused"
    empty.mkdir()
    environment = environment_of(empty, database.url(empty))
    said = manage(
        environment,
        *("restore", "rebuild", "--json", "--repo", str(repository), "--key", key, "--moment", iso(last)),
        ok=False,
    )
    number = int(needed.name.partition("-")[0])
    expect(said.startswith("14 ") and f"Segment {number} " in said, f"a lost segment {number}: {said}")
    return f"a lost segment is refused by its number ({number})"


def wait_for(condition: Any, what: str, patience: float = 600.0) -> None:
    """Until it holds."""
    end = time.monotonic() + patience
    while not condition():
        expect(time.monotonic() < end, f"{what} did not come within {patience:.0f} s")
        time.sleep(0.1)


def prove() -> str:
    """Both databases."""
    dice = random.Random(SEED)
    found = [f"seed {SEED}"]
    if "sqlite" in ONLY:
        with tempfile.TemporaryDirectory(prefix="aiwriter-pitr-") as folder:
            found.append(one(Sqlite(), Path(folder), dice))
            print(found[-1], flush=True)
    if "postgresql" in ONLY:
        with (
            tempfile.TemporaryDirectory(prefix="aiwriter-pitr-") as folder,
            Postgres({"full_page_writes": "on"}) as server,
        ):
            PROGRAMS.append(str(server.programs))
            found.append(one(Server(server), Path(folder), dice))
    return "; ".join(found)
