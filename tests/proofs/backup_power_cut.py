"""kill -9 of the whole portal in the middle of a backup, while changes are captured: started again, nothing is lost and nobody helps.

Web, worker, scheduler, supervisor, the capturing process and the child that makes the backup die in one instant, KILLS times
(default 3) at random points of a running backup, while a mark is written five times a second. After each start the same run is
taken up and ends well, the check of every byte finds nothing, and the capture goes on. Last, the portal is rebuilt in an empty
folder from repository and key alone: to now, with every mark that was ever committed, and to a moment before the last kill,
with no mark of later and none missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from tests.lab.portal import Portal
from tests.lab.shelf import fill
from tests.proofs import expect
from tests.proofs.pitr import Marks, Sqlite, answer, environment_of, iso, manage, wait_for

KILLS = int(os.environ.get("KILLS", "3"))
SEED = int(os.environ.get("SEED", str(random.randrange(10**6))))
PATIENCE = float(os.environ.get("PATIENCE", "900"))
# Slow enough that a kill lands in the middle: each backup finds 36 MB of new pictures, which are three packs, and takes 4 MB a second.
_SETTINGS = """
from apps.backups.models import Policy
from apps.backups.services.policies import update_policy
from apps.users.selectors.access import Actor
policy = Policy.objects.get()
update_policy(actor=Actor.system_actor("proof"), policy_id=policy.pk, pitr=True, pitr_seconds=2, bandwidth_mb=4, drill_days=0)
answer = str(policy.destination_id)
"""
_START = """
import time
from apps.backups.services.backups import start_backup
from apps.backups.services.jobs import Busy
from apps.users.selectors.access import Actor
answer = ""
while not answer:
    try:
        answer = str(start_backup(actor=Actor.system_actor("proof"), destination_id="{place}").pk)
    except Busy:
        time.sleep(1)
"""


def _ask(portal: Portal, query: str, *values: Any) -> Any:
    with contextlib.closing(sqlite3.connect(portal.folder / "aiwriter.sqlite3", timeout=60)) as opened:
        return opened.execute(query, values).fetchone()


def _run(portal: Portal, run: str) -> Any:
    return _ask(
        portal, "SELECT state, phase, error, attempts FROM backups_backuprun WHERE id = ?", run.replace("-", "")
    )


def _left_behind(portal: Portal, run: str) -> Any:
    """State of a run in what a power cut left, looked up in a copy: who opens and closes the database itself empties its log."""
    with tempfile.TemporaryDirectory() as name:
        for ending in ("", "-wal"):
            shutil.copy(portal.folder / f"aiwriter.sqlite3{ending}", name)
        with contextlib.closing(sqlite3.connect(Path(name) / "aiwriter.sqlite3")) as opened:
            wanted = "SELECT state FROM backups_backuprun WHERE id = ?"
            return opened.execute(wanted, [run.replace("-", "")]).fetchone()[0]


def _idle(portal: Portal) -> bool:
    waiting = "SELECT count(*) FROM backups_backuprun WHERE state IN ('queued', 'running')"
    return _ask(portal, waiting)[0] == 0


class _Writer(threading.Thread):
    """A mark five times a second, as long as the portal lives."""

    def __init__(self, path: Path, marks: Marks) -> None:
        super().__init__(daemon=True)
        self._path, self._marks, self.over = path, marks, threading.Event()

    def run(self) -> None:
        """Until `over`."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as opened:
            opened.execute("PRAGMA wal_autocheckpoint=0")
            while not self.over.wait(0.2):
                number = len(self._marks.begun) + 1
                self._marks.begun[number] = time.time()
                opened.execute("INSERT INTO proof_mark VALUES (?, 'mark')", (number,))
                self._marks.done[number] = time.time()

    def finish(self) -> None:
        """With the portal."""
        self.over.set()
        self.join(60)


def _power_cut(portal: Portal) -> None:
    """Every process of the portal, those in sessions of their own too."""
    assert portal._process
    top = psutil.Process(portal._process.pid)
    family = [top, *top.children(recursive=True)]
    # Stopped first, so that none of them sees another one die.
    for number in ("suspend", "kill"):
        for process in family:
            with contextlib.suppress(psutil.Error):
                getattr(process, number)()
    psutil.wait_procs(family, 30)
    portal._process.wait(30)


def prove() -> str:
    """Kill, start, look; at last rebuild."""
    dice, marks = random.Random(SEED), Marks()
    phases: list[str] = []
    with tempfile.TemporaryDirectory(prefix="aiwriter-cut-") as name:
        folder = Path(name)
        with Portal(folder=folder / "live", within=PATIENCE) as portal:
            fill(portal, documents=4, every=1, picture_bytes=100_000, sources=1)
            place = portal.shell(_SETTINGS)
            with contextlib.closing(sqlite3.connect(portal.folder / "aiwriter.sqlite3", timeout=60)) as opened:
                opened.execute("CREATE TABLE proof_mark (n integer PRIMARY KEY, said text NOT NULL)")
            state = portal.folder / "backups/capture/state.json"
            wait_for(lambda: state.is_file() and json.loads(state.read_text())["line"], "the capture", PATIENCE)
            for _ in range(KILLS):
                phases.append(_cut(portal, place, marks, dice))
            made = portal.manage("backup", "--json", check=False)
            expect(made.returncode == 0, f"a backup afterwards: {made.stdout}{made.stderr}")
            gaps = answer(portal.manage("restore", "moments", "--json").stdout)["gaps"]
            expect(not gaps, f"changes were lost to the capture at a start: {gaps}")
            writer = _Writer(portal.folder / "aiwriter.sqlite3", marks)
            writer.start()
            time.sleep(8)
            before_last = time.time()
            time.sleep(4)
            writer.finish()
            ended = time.time()
            wait_for(
                lambda: json.loads(state.read_text())["shipped_until"] > ended * 1000, "the last segment", PATIENCE
            )
            _power_cut(portal)
            key = manage(environment_of(portal.folder, Sqlite().url(portal.folder)), "keys", "show").strip()
            repository = portal.folder / "backups/repository"
            _rebuilt(folder, repository, key, ended, marks)
            reached = _rebuilt(folder, repository, key, before_last, marks)
    return (
        f"seed {SEED}: {KILLS} kills of everything, in the phases {', '.join(phases)}; each run went on and ended well, "
        f"{len(marks.done)} of {len(marks.done)} marks are there, no gap in what was captured, a moment before the last kill "
        f"exact to {(before_last - reached) * 1000:.0f} ms"
    )


def _cut(portal: Portal, place: str, marks: Marks, dice: random.Random) -> str:
    """One kill in the middle of a backup. Returns the phase that it hit."""
    wait_for(lambda: _idle(portal), "the end of what the schedule had begun", PATIENCE)
    # What the schedule's own backup has stored already would be over at once.
    fill(portal, documents=12, every=1, picture_bytes=3_000_000, sources=0)
    writer = _Writer(portal.folder / "aiwriter.sqlite3", marks)
    writer.start()
    run = portal.shell(_START.format(place=place))
    wait_for(lambda: _run(portal, run)[1] not in ("", "opening"), "the middle of the backup", PATIENCE)
    time.sleep(dice.uniform(0.0, 6.0))
    phase = _run(portal, run)
    writer.finish()
    _power_cut(portal)
    expect(_left_behind(portal, run) == "running", f"the kill did not land in the middle: {phase}")
    portal.start()
    wait_for(lambda: _run(portal, run)[0] in ("succeeded", "failed", "stopped"), "the end of the run", PATIENCE)
    found = _run(portal, run)
    expect(found[0] == "succeeded" and found[3] >= 2, f"the run ended so: {found}\n{portal.logs()}")
    there = Sqlite().marks(Sqlite().url(portal.folder))
    expect(not marks.done.keys() - there, f"marks are lost in the portal itself: {marks.done.keys() - there}")
    checked = portal.manage("verify", "--json", check=False)
    expect(checked.returncode == 0, f"the check after the kill: {checked.stdout}{checked.stderr}")
    state = json.loads((portal.folder / "backups/capture/state.json").read_text())
    expect(time.time() - state["beat"] < 60, f"nobody captures after the kill: {state}")
    print(f"  killed in the phase {phase[1]}, attempt {found[3]} ended well, {len(marks.done)} marks", flush=True)
    return str(phase[1])


def _rebuilt(folder: Path, repository: Path, key: str, target: float, marks: Marks) -> float:
    """From repository and key alone. Returns the moment that was reached."""
    empty = Path(tempfile.mkdtemp(dir=folder))
    url = Sqlite().url(empty)
    words = ("restore", "rebuild", "--json", "--repo", str(repository), "--key", key, "--moment", iso(target))
    reached = answer(manage(environment_of(empty, url), *words))["reached"] / 1000
    there = Sqlite().marks(url)
    missing = {n for n, at in marks.done.items() if at < reached and n not in there}
    later = {n for n in there if marks.begun[n] > reached}
    expect(target - reached < 1.0, f"asked for {iso(target)}, reached {iso(reached)}")
    expect(not missing and not later, f"{iso(target)}: {sorted(missing)} are missing, {sorted(later)} are of later")
    return float(reached)
