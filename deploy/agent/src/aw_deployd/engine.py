"""Works a deployment off: observe, act, observe. Every step may be done again, so a death in the middle costs nothing.

The journal says how far it is, the drivers say what is so; where the two disagree, what is so counts. One process works on
an environment at a time (a lock), and what an older one still does is refused by its number (the fence).
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import IO, Any

from aw_deployd import machine, release
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused, Stale
from aw_deployd.hands import Aborted, Hands
from aw_deployd.journal import Journal, Row
from aw_deployd.judging import Judging
from aw_deployd.machine import State
from aw_deployd.plan import Plan
from aw_deployd.traffic import Shares

JOB_SECONDS = 900.0


class Engine(Hands):
    """Works on one environment."""

    def __init__(self, environment: Environment, journal: Journal, **more: Any) -> None:
        super().__init__(environment, journal, **more)
        self._work: dict[State, Callable[[Row], None]] = {
            State.PLANNED: self._plan,
            State.GATING: self._gate,
            State.PREPARING: self._prepare,
            State.STARTING: self._start,
            State.SMOKING: self._smoke,
            State.SHIFTING: self._shift,
            State.ANALYSING: self._analyse,
            State.PAUSED: self._wait,
            State.PROMOTING: self._promote,
            State.SWAPPING: self._swap,
            State.BAKING: self._bake,
            State.FINALISING: self._finalise,
            State.ROLLING_BACK: self._roll_back,
        }

    # ------------------------------------------------------------ the loop
    @contextmanager
    def alone(self) -> Any:
        """Nobody else works on this environment meanwhile.

        Raises:
            Refused: somebody does.
        """
        self.environment.state.mkdir(parents=True, exist_ok=True)
        handle: IO[str] = (self.environment.state / "agent.lock").open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise Refused(
                "Another agent works on this environment.", "Wait for it; aw-deployd status shows it."
            ) from None
        try:
            yield
        finally:
            handle.close()

    def take(self, plan: Plan, signed_by: str) -> Row:
        """Accept a plan.

        Raises:
            Refused: it is for another environment, or the journal refuses it.
        """
        if plan.environment != self.environment.name:
            raise Refused(f"The plan is for {plan.environment}, this is {self.environment.name}.")
        return self.journal.begin(plan, signed_by)

    def run(self, row: Row, *, wait_paused: bool = False) -> Row:
        """Work until it has ended, or is paused.

        Args:
            wait_paused: stay and wait for a command; otherwise return.
        """
        self._found_again(row)
        while row.state not in machine.FINAL:
            if row.state is State.PAUSED and not wait_paused and not self._commands_wait(row):
                return row
            try:
                if row.state is not State.ROLLING_BACK:
                    self._obey(row)
                self._work[row.state](row)
            except Stale:
                raise
            except DeployError as error:
                self._give_up(row, str(error))
        self.probes.stop()
        return row

    def _found_again(self, row: Row) -> None:
        """What the plan wants after a time in which nobody worked on it."""
        lost = time.time() - row.touched_at
        if row.state in (State.PLANNED, State.PAUSED, State.ROLLING_BACK) or row.state in machine.FINAL:
            return
        self.say(f"Going on with {row.plan.release}, which is {row.state}")
        if row.state in machine.BEFORE_TRAFFIC or lost < row.plan.lost_seconds:
            return
        if row.plan.on_lost == "rollback":
            self._move(row, State.ROLLING_BACK, f"Nobody worked on it for {lost:.0f} s.")
        elif row.plan.on_lost == "hold" and row.state is State.ANALYSING:
            self._move(row, State.PAUSED, f"Nobody worked on it for {lost:.0f} s.")

    def _commands_wait(self, row: Row) -> bool:
        return self.journal.abort_waits(row) or self.journal.command_waits(row)

    def _give_up(self, row: Row, reason: str) -> None:
        """What fails before anybody was sent to the new version leaves the old one as it is; later, everything goes back."""
        self.probes.stop()
        if row.state is State.ROLLING_BACK:
            self._move(row, State.ROLLBACK_FAILED, reason)
            return
        untouched = row.state in machine.BEFORE_TRAFFIC and not row.facts.get("touched")
        if not untouched:
            self._move(row, State.ROLLING_BACK, reason)
            return
        new = row.facts.get("new", "")
        if new and not self._serves(new):
            self.runtime.stop(new, 5.0)
        self._move(row, State.FAILED, reason)

    def _move(self, row: Row, state: State, reason: str = "", *, stage: int | None = None) -> None:
        self.journal.move(row, state, reason, stage=stage)
        self.say(f"{state}{': ' + reason if reason else ''}")

    def _job(self, row: Row, version: str, job: str, *arguments: str, database: str = "") -> None:
        """Run a job once: done before means done, and what died in the middle is run again, for each of them may be.

        Raises:
            DeployError: it failed.
        """
        status, attempt = self.journal.step(row, f"{job}:{version}")
        if status == "done":
            return
        self.say(f"  {job} with {version}")
        found = self.runtime.run_job(
            release.load(self.environment.releases, version), job, JOB_SECONDS, tuple(arguments), database
        )
        ended = "failed" if found.code else "done"
        evidence = {"seconds": round(found.seconds, 2), "output": found.tail, "attempt": attempt}
        self.journal.end_step(row, f"{job}:{version}", ended, **evidence)
        if found.code:
            raise DeployError(f"'{job}' with {version} ended with code {found.code}: {found.tail[-600:]}")

    # ------------------------------------------------------------ before traffic
    def _plan(self, row: Row) -> None:
        self._move(row, State.GATING)

    def _gate(self, row: Row) -> None:
        """What can be refused is refused before anything is changed."""
        plan = row.plan
        observed = self.traffic.observe()
        if observed.shares is None:
            raise DeployError("The proxy does not answer.", "aw-deployd init writes its configuration; then start it.")
        serving = self._serving(observed.shares)
        versions = {self.runtime.observe(slot).release for slot in serving} - {""}
        if plan.from_release and plan.from_release not in versions:
            raise Refused(
                f"{plan.from_release} should serve, and {', '.join(versions) or 'nothing'} does.", "Plan again."
            )
        if plan.strategy == "contract":
            if versions != {plan.release}:
                raise Refused("A version before still serves.", "Go to the new one everywhere first.")
            self._move(row, State.PREPARING)
            return
        target = release.load(self.environment.releases, plan.release)
        coming_from = "" if plan.strategy == "rollback" else plan.from_release
        self.journal.step(row, "verify")
        digests = self.runtime.digests(target)
        evidence = release.verify(target, found=digests, wanted=plan.digest, coming_from=coming_from)
        self.journal.end_step(row, "verify", "done", **evidence)
        old, new = self._places(plan, serving)
        facts = {"old": old, "new": new, "old_release": plan.from_release}
        # From the start of the recreate's stop on, nothing is as it was.
        self.journal.note(row, **facts)
        self._move(row, State.PREPARING)

    def _serving(self, shares: Shares) -> list[str]:
        found = [slot.name for slot in self.environment.slots if shares.of(slot.name) > 0]
        return [slot for slot in found if self.runtime.observe(slot).release]

    def _places(self, plan: Plan, serving: list[str]) -> tuple[list[str], str]:
        """Which slots serve, and which one gets the new version.

        Raises:
            Refused: the strategy needs another number of slots; says why.
        """
        names = [slot.name for slot in self.environment.slots]
        idle = [name for name in names if name not in serving]
        if plan.strategy == "recreate":
            if not self.traffic.holds:
                raise Refused("Requests cannot wait here while the version is exchanged.", "Use blue_green.")
            if len(serving) > 1:
                raise Refused("recreate is for one slot, and several serve.", "Use rolling.")
            return serving, serving[0] if serving else names[0]
        if plan.strategy == "rolling":
            if not self.traffic.splits:
                raise Refused("This proxy sends everybody to one slot.", "Use blue_green.")
            if len(serving) < 2:
                raise Refused("rolling needs two slots that serve.", "Use blue_green, or recreate on a small machine.")
            return serving, serving[0]
        if not idle:
            raise Refused(f"{plan.strategy} needs a free slot.", "Add a slot, or use rolling.")
        if plan.strategy == "canary" and not self.traffic.splits:
            raise Refused("This proxy cannot give a version a part of the requests.", "Use blue_green.")
        warm = [name for name in idle if self.runtime.observe(name).release == plan.release]
        return serving, (warm or idle)[0]

    def _prepare(self, row: Row) -> None:
        plan, facts = row.plan, row.facts
        if plan.strategy == "contract":
            # What stands by without requests could not work on the database any more.
            for slot in (each.name for each in self.environment.slots):
                if self.runtime.observe(slot).release not in ("", plan.release) and not self._serves(slot):
                    self.runtime.stop(slot, self.environment.drain_seconds)
            self._job(row, plan.release, "contract")
            self._move(row, State.FINALISING)
            return
        warm = self.runtime.observe(facts["new"]).release == plan.release and self._ready(facts["new"])
        if plan.strategy == "rollback":
            # The version that comes back says itself whether it can work on this database; one that serves already has.
            if not warm:
                self._job(row, plan.release, "fit")
        elif plan.strategy == "recreate":
            self._recreate(row)
        else:
            if plan.from_release and plan.rehearse:
                before = release.load(self.environment.releases, plan.from_release)
                self._job(row, plan.release, "rehearse", *self.runtime.previous(before))
            self._job(row, plan.release, "prepare")
            if plan.from_release:
                self._job(row, plan.from_release, "fit")
        self._move(row, State.STARTING)

    def _recreate(self, row: Row) -> None:
        """One slot: requests wait in the proxy while the version is exchanged."""
        plan, slot = row.plan, row.facts["new"]
        if self.runtime.observe(slot).release == plan.release:
            return
        if row.facts["old"]:
            self.journal.note(row, touched=True)
            self.traffic.hold(slot, True)
            self.runtime.stop(slot, self.environment.drain_seconds)
            self._one_of_each(release.load(self.environment.releases, plan.release))
            for role in self.environment.roles:
                self.runtime.stop(role, 30.0)
        # The expand phase alone: after a contract there would be no way back but a restore.
        self._job(row, plan.release, "prepare")

    def _start(self, row: Row) -> None:
        """A slot that serves nobody gets the new version; the proxy must see it, not only we."""
        plan, new = row.plan, row.facts["new"]
        if plan.strategy == "rolling":
            self._move(row, State.SMOKING)
            return
        self._bring_up(row, new, plan.release)
        if plan.strategy == "recreate":
            if not row.facts["old"]:
                self.traffic.set_shares(Shares.only(new), plan.fence)
            self.traffic.hold(new, False)
        self._await_up(row, new)
        self._move(row, State.SMOKING)

    def _smoke(self, row: Row) -> None:
        plan, new = row.plan, row.facts["new"]
        if plan.strategy != "rolling":
            self.journal.step(row, "smoke")
            results, failed = self.probes.smoke(new)
            evidence = [{"name": r.name, "status": r.status, "ms": round(r.milliseconds, 1)} for r in results]
            self.journal.end_step(row, "smoke", "failed" if failed else "done", probes=evidence)
            if failed:
                raise DeployError(f"The probe '{failed}' failed twice.")
        canary = plan.strategy == "canary" and row.facts["old"]
        self._move(row, State.SHIFTING if canary else State.PROMOTING, stage=0 if canary else -1)

    # ------------------------------------------------------------ traffic
    def _base(self, row: Row) -> dict[str, int]:
        return dict(Shares.only(*row.facts["old"]).base)

    def _shift(self, row: Row) -> None:
        stage = row.plan.stages[row.stage]
        self._set(row, Shares(self._base(row), row.facts["new"], stage.share))
        self._move(row, State.ANALYSING, f"{stage.share} % of the people")

    def _analyse(self, row: Row) -> None:
        stage = row.plan.stages[row.stage]
        self._set(row, Shares(self._base(row), row.facts["new"], stage.share))
        judging = Judging(self, row, stage)
        verdict, reason = judging.until_known()
        if verdict == "abort":
            raise DeployError(reason)
        if verdict == "pause":
            self._move(row, State.PAUSED, reason)
            return
        last = row.stage + 1 == len(row.plan.stages)
        self._move(row, State.PROMOTING if last else State.SHIFTING, reason, stage=row.stage if last else row.stage + 1)

    def _wait(self, row: Row) -> None:
        """A person decides: look again, go on all the same, or back."""
        verb = self.journal.take_command(row)
        if verb == "abort":
            raise Aborted("Somebody asked to stop.")
        if verb in ("resume", "accept"):
            # What is accepted once is this stage; the next one is judged again.
            self.journal.note(row, accepted=row.stage if verb == "accept" else -1, begun={})
            self._move(row, State.ANALYSING, f"A person said {verb}.")
            return
        time.sleep(self.tick)

    def _promote(self, row: Row) -> None:
        plan = row.plan
        self.journal.note(row, touched=True)
        if plan.strategy == "rolling":
            for slot in row.facts["old"]:
                self._replace(row, slot, plan.release)
        else:
            self._set(row, Shares.only(row.facts["new"]))
        self._move(row, State.SWAPPING, f"Everybody is served by {plan.release}.")

    def _swap(self, row: Row) -> None:
        if row.plan.workers:
            self._swap_roles(row, row.plan.release)
        self._move(row, State.BAKING)

    def _bake(self, row: Row) -> None:
        """The old version is still there, without requests: a look for what only all the people find."""
        plan = row.plan
        began = row.facts.get("bake_began") or time.time()
        self.journal.note(row, bake_began=began)
        two = plan.strategy in ("canary", "blue_green") and row.facts["old"]
        if two and plan.bake_seconds:
            Judging(self, row, None).watch(began + plan.bake_seconds)
        else:
            while time.time() < began + plan.bake_seconds:
                self._pause(row, self.tick)
        self._move(row, State.FINALISING)

    def _finalise(self, row: Row) -> None:
        plan = row.plan
        if plan.strategy in ("canary", "blue_green", "rollback"):
            for slot in row.facts["old"]:
                if slot == row.facts["new"] or self._serves(slot):
                    continue
                left = self._drain(row, slot)
                if not plan.keep_old:
                    ended = self.runtime.stop(slot, self.environment.drain_seconds)
                    self.journal.note(row, left_open=left, ended_by_itself=ended)
        self._move(row, State.SUCCEEDED)

    # ------------------------------------------------------------ back
    def _roll_back(self, row: Row) -> None:
        """The old version gets everybody; ends only when the proxy is seen to do so."""
        self.probes.stop()
        plan, old = row.plan, row.facts.get("old", [])
        if not old:
            raise DeployError("There is no version to go back to: this was the first.")
        before = plan.from_release or row.facts.get("old_release", "")
        if plan.strategy in ("recreate", "rolling"):
            for slot in old:
                if plan.strategy == "recreate":
                    self._back_in_place(row, slot, before)
                else:
                    self._replace(row, slot, before, obey=False)
        else:
            for slot in old:
                if not (self.runtime.observe(slot).release == before and self._ready(slot)):
                    self._bring_up(row, slot, before, obey=False)
                self._await_up(row, slot)
        self._set(row, Shares.only(*old))
        if plan.workers and any(self.runtime.observe(role).release != before for role in self.environment.roles):
            self._swap_roles(row, before)
        new = row.facts.get("new", "")
        if new and new not in old:
            self._drain(row, new)
            self.runtime.stop(new, self.environment.drain_seconds)
        seen = self.traffic.read_shares()
        if seen is None or sum(seen.of(slot) for slot in old) != 100:
            raise DeployError(f"The proxy does {seen}.")
        self._move(row, State.ROLLED_BACK, row.reason)

    def _back_in_place(self, row: Row, slot: str, before: str) -> None:
        if self.runtime.observe(slot).release != before:
            self.traffic.hold(slot, True)
            self.runtime.stop(slot, self.environment.drain_seconds)
            self._bring_up(row, slot, before, obey=False)
        self.traffic.hold(slot, False)
        self._await_up(row, slot)
