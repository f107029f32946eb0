"""What the agent has decided, done and seen: a SQLite file that survives it. The newest line is always on the disk."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aw_deployd import machine, plan
from aw_deployd.errors import Refused, Stale
from aw_deployd.machine import State

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fence (environment TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deployment (
  id TEXT PRIMARY KEY, environment TEXT NOT NULL, fence INTEGER NOT NULL, plan TEXT NOT NULL, signed_by TEXT NOT NULL,
  state TEXT NOT NULL, stage INTEGER NOT NULL DEFAULT -1, facts TEXT NOT NULL DEFAULT '{}', reason TEXT NOT NULL DEFAULT '',
  begun_at REAL NOT NULL, touched_at REAL NOT NULL, finished_at REAL);
CREATE UNIQUE INDEX IF NOT EXISTS one_active ON deployment (environment) WHERE finished_at IS NULL;
CREATE TABLE IF NOT EXISTS transition (
  deployment TEXT NOT NULL, at REAL NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS step (
  key TEXT PRIMARY KEY, deployment TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, attempt INTEGER NOT NULL,
  evidence TEXT NOT NULL DEFAULT '{}', begun_at REAL NOT NULL, ended_at REAL);
CREATE TABLE IF NOT EXISTS sample (
  deployment TEXT NOT NULL, stage INTEGER NOT NULL, at REAL NOT NULL, slot TEXT NOT NULL, kind TEXT NOT NULL,
  n INTEGER NOT NULL, errors INTEGER NOT NULL, p95 REAL);
CREATE TABLE IF NOT EXISTS scaled (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, part TEXT NOT NULL, old INTEGER NOT NULL, new INTEGER NOT NULL, why TEXT NOT NULL,
  acted INTEGER NOT NULL, told_at REAL);
CREATE TABLE IF NOT EXISTS scale_sample (
  minute INTEGER NOT NULL, part TEXT NOT NULL, count INTEGER NOT NULL, wanted INTEGER NOT NULL, load REAL,
  PRIMARY KEY (minute, part));
CREATE TABLE IF NOT EXISTS command (
  id INTEGER PRIMARY KEY, deployment TEXT NOT NULL, verb TEXT NOT NULL, who TEXT NOT NULL, at REAL NOT NULL, taken_at REAL);
"""
VERBS = ("abort", "resume", "accept")


@dataclass(slots=True)
class Row:
    """A deployment as the journal knows it."""

    id: str
    plan: plan.Plan
    state: State
    stage: int
    facts: dict[str, Any]
    reason: str
    begun_at: float
    touched_at: float
    finished_at: float | None


class Journal:
    """The file.

    Args:
        path: where.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        # FULL: a step that was done before the power went must be known after it.
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _whole(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # ------------------------------------------------------------ deployments
    def begin(self, wanted: plan.Plan, signed_by: str) -> Row:
        """Take a plan. The same plan again is the same deployment.

        Raises:
            Stale: a plan with this fencing number, or a higher one, was taken before.
            Refused: another deployment is under way.
        """
        now = time.time()
        with self._whole() as db:
            if db.execute("SELECT 1 FROM deployment WHERE id = ?", [wanted.id]).fetchone():
                known = self.row(wanted.id)
                if known.plan.text() != wanted.text():
                    raise Refused("This id belongs to another plan.", "Make a new plan.")
                return known
            last = self.fence(wanted.environment)
            if wanted.fence <= last:
                raise Stale(f"The plan has number {wanted.fence}, and {last} was taken already.", "Make a new plan.")
            if active := self.active(wanted.environment):
                raise Refused(f"Deployment {active.id} is {active.state}.", "Let it end, or abort it.")
            db.execute("INSERT OR REPLACE INTO fence VALUES (?, ?)", [wanted.environment, wanted.fence])
            values = [
                wanted.id,
                wanted.environment,
                wanted.fence,
                wanted.text().decode(),
                signed_by,
                State.PLANNED,
                now,
                now,
            ]
            db.execute(
                "INSERT INTO deployment (id, environment, fence, plan, signed_by, state, begun_at, touched_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        return self.row(wanted.id)

    def fence(self, environment: str) -> int:
        """The highest number that was taken."""
        found = self._db.execute("SELECT number FROM fence WHERE environment = ?", [environment]).fetchone()
        return int(found[0]) if found else 0

    def row(self, identifier: str) -> Row:
        """A deployment.

        Raises:
            Refused: there is none.
        """
        found = self._rows("WHERE id = ?", [identifier])
        if not found:
            raise Refused(f"There is no deployment {identifier}.")
        return found[0]

    def active(self, environment: str) -> Row | None:
        """The one that is under way."""
        found = self._rows("WHERE environment = ? AND finished_at IS NULL", [environment])
        return found[0] if found else None

    def history(self, environment: str, most: int = 20) -> list[Row]:
        """The last ones, newest first."""
        return self._rows("WHERE environment = ? ORDER BY begun_at DESC LIMIT ?", [environment, most])

    def _rows(self, where: str, values: list[Any]) -> list[Row]:
        columns = "id, plan, state, stage, facts, reason, begun_at, touched_at, finished_at"
        found = self._db.execute(f"SELECT {columns} FROM deployment {where}", values)  # noqa: S608
        return [Row(r[0], plan.read(r[1]), State(r[2]), r[3], json.loads(r[4]), *r[5:]) for r in found]

    def move(self, row: Row, new: State, reason: str = "", *, stage: int | None = None) -> None:
        """Change the state: the only function that does.

        Raises:
            Refused: there is no such way.
            Stale: somebody with a higher number has taken the environment over, or the state is another one by now.
        """
        machine.check(row.state, new)
        now = time.time()
        finished = now if new in machine.FINAL else None
        with self._whole() as db:
            if self.fence(row.plan.environment) != row.plan.fence:
                raise Stale(f"Deployment {row.id} has been superseded.")
            changed = db.execute(
                "UPDATE deployment SET state = ?, stage = ?, reason = ?, touched_at = ?, finished_at = ?"
                " WHERE id = ? AND state = ?",
                [new, row.stage if stage is None else stage, reason, now, finished, row.id, row.state],
            )
            if changed.rowcount != 1:
                raise Stale(f"Deployment {row.id} is not {row.state} any more.")
            db.execute("INSERT INTO transition VALUES (?, ?, ?, ?, ?)", [row.id, now, row.state, new, reason])
        row.state, row.reason, row.touched_at, row.finished_at = new, reason, now, finished
        row.stage = row.stage if stage is None else stage

    def note(self, row: Row, **facts: Any) -> None:
        """Keep what must be known after a restart."""
        row.facts.update(facts)
        self._db.execute(
            "UPDATE deployment SET facts = ?, touched_at = ? WHERE id = ?", [json.dumps(row.facts), time.time(), row.id]
        )

    def touch(self, row: Row) -> None:
        """A sign of life."""
        self._db.execute("UPDATE deployment SET touched_at = ? WHERE id = ?", [time.time(), row.id])

    def transitions(self, identifier: str) -> list[tuple[float, str, str, str]]:
        """When it became what, and why."""
        columns = "SELECT at, old, new, reason FROM transition WHERE deployment = ? ORDER BY rowid"
        return [(r[0], r[1], r[2], r[3]) for r in self._db.execute(columns, [identifier])]

    # ------------------------------------------------------------ steps
    def sequence(self, identifier: str) -> int:
        """A number that grows with everything that is written about a deployment."""
        query = (
            "SELECT (SELECT COUNT(*) FROM transition WHERE deployment = :id)"
            " + (SELECT COALESCE(SUM(2 * attempt + (ended_at IS NOT NULL)), 0) FROM step WHERE deployment = :id)"
            " + (SELECT COUNT(*) FROM sample WHERE deployment = :id)"
        )
        return int(self._db.execute(query, {"id": identifier}).fetchone()[0])

    def knows(self, identifier: str) -> bool:
        """Whether a plan of this id was taken."""
        return bool(self._db.execute("SELECT 1 FROM deployment WHERE id = ?", [identifier]).fetchone())

    def step(self, row: Row, kind: str) -> tuple[str, int]:
        """Begin a step: its status from before ("" for the first time, "begun" after a death) and the attempt."""
        key = f"{row.id}:{kind}"
        found = self._db.execute("SELECT status, attempt FROM step WHERE key = ?", [key]).fetchone()
        if found and found[0] == "done":
            return "done", int(found[1])
        attempt = int(found[1]) + 1 if found else 1
        self._db.execute(
            "INSERT OR REPLACE INTO step (key, deployment, kind, status, attempt, begun_at) VALUES (?, ?, ?, ?, ?, ?)",
            [key, row.id, kind, "begun", attempt, time.time()],
        )
        return (found[0] if found else ""), attempt

    def end_step(self, row: Row, kind: str, status: str, **evidence: Any) -> None:
        """It is done, or has failed."""
        self._db.execute(
            "UPDATE step SET status = ?, evidence = ?, ended_at = ? WHERE key = ?",
            [status, json.dumps(evidence), time.time(), f"{row.id}:{kind}"],
        )
        self.touch(row)

    def steps(self, identifier: str) -> list[dict[str, Any]]:
        """All steps, as they began."""
        columns = "SELECT kind, status, attempt, evidence, begun_at, ended_at FROM step WHERE deployment = ? ORDER BY begun_at"
        names = ("kind", "status", "attempt", "evidence", "begun_at", "ended_at")
        found = [dict(zip(names, r, strict=True)) for r in self._db.execute(columns, [identifier])]
        return [{**each, "evidence": json.loads(each["evidence"])} for each in found]

    # ------------------------------------------------------------ scaling
    def scaled(self, part: str, old: int, new: int, why: str, *, acted: bool) -> None:
        """So many more or fewer run; or would, where a policy is only watched."""
        values = [time.time(), part, old, new, why, int(acted)]
        self._db.execute("INSERT INTO scaled (at, part, old, new, why, acted) VALUES (?, ?, ?, ?, ?, ?)", values)

    def scalings(self, most: int = 50) -> list[dict[str, Any]]:
        """What the console has not taken note of, the oldest first."""
        names = ("number", "at", "part", "old", "new", "why", "acted")
        query = "SELECT id, at, part, old, new, why, acted FROM scaled WHERE told_at IS NULL ORDER BY id LIMIT ?"
        found = [dict(zip(names, r, strict=True)) for r in self._db.execute(query, [most])]
        return [{**each, "acted": bool(each["acted"])} for each in found]

    def told_scalings(self, number: int) -> None:
        """The console has those up to this number."""
        self._db.execute("UPDATE scaled SET told_at = ? WHERE id <= ? AND told_at IS NULL", [time.time(), number])

    def scale_sample(self, part: str, count: int, wanted: int, load: float | None) -> None:
        """What was so in this minute; a day is kept."""
        minute = int(time.time()) // 60
        values = [minute, part, count, wanted, load]
        self._db.execute("INSERT OR REPLACE INTO scale_sample VALUES (?, ?, ?, ?, ?)", values)
        self._db.execute("DELETE FROM scale_sample WHERE minute < ?", [minute - 1440])

    def scale_samples(self, minutes: int = 15) -> list[dict[str, Any]]:
        """The last minutes; the console takes each again and again."""
        names = ("minute", "part", "count", "wanted", "load")
        query = "SELECT minute, part, count, wanted, load FROM scale_sample WHERE minute >= ? ORDER BY minute, part"
        since = int(time.time()) // 60 - minutes
        return [dict(zip(names, r, strict=True)) for r in self._db.execute(query, [since])]

    # ------------------------------------------------------------ samples, commands
    def sample(self, row: Row, slot: str, kind: str, n: int, errors: int, p95: float | None, *, stage: int) -> None:
        """What was counted by now in a stage; -1 when all are over."""
        values = [row.id, stage, time.time(), slot, kind, n, errors, p95]
        self._db.execute("INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def samples(self, identifier: str) -> list[dict[str, Any]]:
        """The newest count of each stage, slot and kind."""
        names = ("stage", "slot", "kind", "n", "errors", "p95", "at")
        columns = (
            "SELECT stage, slot, kind, n, errors, p95, MAX(at) FROM sample WHERE deployment = ?"
            " GROUP BY stage, slot, kind ORDER BY stage, slot, kind"
        )
        return [dict(zip(names, r, strict=True)) for r in self._db.execute(columns, [identifier])]

    def command(self, identifier: str, verb: str, who: str, number: int | None = None) -> None:
        """Ask for something; the one who works on the deployment takes it.

        Args:
            identifier: of which deployment.
            verb: one of `VERBS`.
            who: asks.
            number: the console's own; the same one again is the same word.

        Raises:
            Refused: no such verb, or the deployment has ended.
        """
        if verb not in VERBS:
            raise Refused(f"'{verb}' is no command.", f"Use one of: {', '.join(VERBS)}.")
        row = self.row(identifier)
        if row.state in machine.FINAL:
            raise Refused(f"Deployment {identifier} is {row.state} already.")
        who = f"{who} #{number}" if number is not None else who
        asked = "SELECT 1 FROM command WHERE deployment = ? AND verb = ? AND who = ?"
        if number is not None and self._db.execute(asked, [identifier, verb, who]).fetchone():
            return
        values = [identifier, verb, who, time.time()]
        self._db.execute("INSERT INTO command (deployment, verb, who, at) VALUES (?, ?, ?, ?)", values)

    def take_command(self, row: Row) -> str:
        """The oldest that waits, or ""; an abort comes before everything."""
        found = self._db.execute(
            "SELECT id, verb FROM command WHERE deployment = ? AND taken_at IS NULL ORDER BY verb != 'abort', id LIMIT 1",
            [row.id],
        ).fetchone()
        if not found:
            return ""
        self._db.execute("UPDATE command SET taken_at = ? WHERE id = ?", [time.time(), found[0]])
        return str(found[1])

    def abort_waits(self, row: Row) -> bool:
        """Whether somebody has asked to stop."""
        query = "SELECT 1 FROM command WHERE deployment = ? AND taken_at IS NULL AND verb = 'abort'"
        return bool(self._db.execute(query, [row.id]).fetchone())

    def command_waits(self, row: Row) -> bool:
        """Whether any command has not been taken yet."""
        query = "SELECT 1 FROM command WHERE deployment = ? AND taken_at IS NULL"
        return bool(self._db.execute(query, [row.id]).fetchone())
