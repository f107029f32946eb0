"""Judges a stage: counts since it began, probes to both versions, a look each half second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aw_deployd.analysis import Counts, Rules, Seen, Verdict, judge, percentile
from aw_deployd.journal import Row
from aw_deployd.plan import Stage
from aw_deployd.traffic import Counters

if TYPE_CHECKING:
    from aw_deployd.engine import Engine

LOOK_SECONDS = 0.5
KEPT_TIMES = 2000
# Instead of a stage's number: everybody is served by the new version already.
AFTERWARDS = -1


class Judging:
    """One stage of one deployment.

    Args:
        engine: with its drivers.
        row: the deployment.
        stage: None while everybody is served by the new version already.
    """

    def __init__(self, engine: Engine, row: Row, stage: Stage | None) -> None:
        self._engine, self._row = engine, row
        self._number = row.stage if stage else AFTERWARDS
        self._stage = stage or Stage(share=99, min_seconds=0.0, max_seconds=1e9, min_samples=1)
        self._new: str = row.facts["new"]
        self._old: list[str] = row.facts["old"]
        self._times: dict[str, list[float]] = {slot: [] for slot in (self._new, *self._old)}
        self._began = self._begin()

    def _begin(self) -> dict[str, Any]:
        """What had been counted when the stage began; kept, so that a successor goes on from there."""
        name = str(self._number)
        begun: dict[str, Any] = self._row.facts.get("begun", {})
        if name not in begun:
            counted = {slot: _list(self._engine.traffic.counters(slot)) for slot in self._times}
            begun = {name: {"at": time.time(), "counted": counted}}
            self._engine.journal.note(self._row, begun=begun)
        found: dict[str, Any] = begun[name]
        return found

    # ------------------------------------------------------------ looking
    def _start(self) -> None:
        engine = self._engine
        engine.traffic.listen()
        engine.traffic.heard()
        engine.probes.start((self._new, self._old[0]), self._row.plan.probes)

    def _seen(self, slots: list[str]) -> Seen:
        total, connects, probe, failed = Counts(), 0, Counts(), ""
        up = self._engine.traffic.observe().up
        for slot in slots:
            now, then = _list(self._engine.traffic.counters(slot)), self._began["counted"].get(slot, [0, 0, 0])
            if now[0] < then[0]:
                # The proxy was started again and counts anew.
                then = self._began["counted"][slot] = [0, 0, 0]
            total += Counts(now[0] - then[0], now[1] - then[1], percentile(self._times[slot]))
            connects += now[2] - then[2]
            counted, twice = self._engine.probes.counts(slot)
            probe += counted
            failed = failed or twice
        return Seen(total, probe, all(slot in up for slot in slots), connects, failed)

    def _look(self) -> tuple[Seen, Seen]:
        heard = self._engine.traffic.heard()
        for slot, times in heard.milliseconds.items():
            if slot in self._times:
                self._times[slot] = (self._times[slot] + times)[-KEPT_TIMES:]
        new, old = self._seen([self._new]), self._seen(self._old)
        journal, row = self._engine.journal, self._row
        for name, seen in (("new", new), ("old", old)):
            for kind, count in (("real", seen.real), ("probe", seen.probe)):
                journal.sample(row, name, kind, count.n, count.errors, count.p95, stage=self._number)
        people = set(row.facts.get("hurt", [])) | heard.hurt
        journal.note(row, hurt=sorted(people)[:1000], people=int(row.facts.get("people", 0)) + len(heard.people))
        return new, old

    # ------------------------------------------------------------ deciding
    def until_known(self) -> tuple[str, str]:
        """Look until the verdict is one that ends the stage.

        Returns:
            abort, pass or pause, and the reason.
        """
        plan, stage = self._row.plan, self._stage
        rules = Rules(stage.min_seconds, stage.max_seconds, stage.min_samples, dry_run=plan.dry_run)
        accepted = self._row.facts.get("accepted", -1) == self._row.stage
        self._start()
        try:
            while True:
                self._engine._pause(self._row, LOOK_SECONDS)
                new, old = self._look()
                seconds = time.time() - self._began["at"]
                found = judge(new, old, rules, seconds)
                if accepted and found.verdict is not Verdict.ABORT and seconds >= stage.min_seconds:
                    return Verdict.PASS, "A person accepted it as it is."
                if found.verdict is not Verdict.WAIT:
                    return found.verdict, found.reason
        finally:
            self._engine.probes.stop()

    def watch(self, until: float) -> None:
        """Everybody is served by the new version: only what is surely wrong sends them back.

        Raises:
            DeployError: it is.
        """
        from aw_deployd.errors import DeployError

        rules = Rules(0.0, 1e9, 10**9, dry_run=self._row.plan.dry_run)
        self._start()
        try:
            while time.time() < until:
                self._engine._pause(self._row, LOOK_SECONDS)
                new, old = self._look()
                found = judge(new, old, rules, 0.0)
                if found.verdict is Verdict.ABORT:
                    raise DeployError(found.reason)
        finally:
            self._engine.probes.stop()


def _list(counters: Counters) -> list[int]:
    return [counters.n, counters.errors, counters.connect_errors]
