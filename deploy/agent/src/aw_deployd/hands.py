"""What the agent's hands do, whatever the state: start, see, set, drain, exchange. Each may be done again."""

from __future__ import annotations

import time
from collections.abc import Callable

from aw_deployd import release, web
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError
from aw_deployd.journal import Journal, Row
from aw_deployd.probes import Probes
from aw_deployd.runtime import OVERLAPPING, RuntimeDriver, open_runtime
from aw_deployd.traffic import Shares, TrafficDriver, open_traffic

TICK = 0.2
OBSERVE_SECONDS = 20.0
Say = Callable[[str], None]


class Aborted(DeployError):
    """Somebody asked to stop."""


class Hands:
    """Acts on one environment.

    Args:
        environment: which.
        journal: its journal.
        say: tells a person what happens.
    """

    def __init__(
        self,
        environment: Environment,
        journal: Journal,
        *,
        runtime: RuntimeDriver | None = None,
        traffic: TrafficDriver | None = None,
        say: Say = lambda text: None,
        tick: float = TICK,
    ) -> None:
        self.environment, self.journal = environment, journal
        self.runtime = runtime or open_runtime(environment)
        self.traffic = traffic or open_traffic(environment)
        self.probes = Probes(environment, self.traffic)
        self.say, self.tick = say, tick
        self._falls: dict[str, tuple[float, float]] = {}

    def _obey(self, row: Row) -> None:
        if self.journal.abort_waits(row):
            self.journal.take_command(row)
            raise Aborted("Somebody asked to stop.")

    def _serves(self, slot: str) -> bool:
        """Whether the proxy sends anybody there: nothing that serves is ever stopped."""
        shares = self.traffic.read_shares()
        return shares is None or shares.of(slot) > 0

    def _pause(self, row: Row, seconds: float) -> None:
        """Wait a little, and notice an abort."""
        end = time.monotonic() + seconds
        while True:
            self.journal.touch(row)
            self._obey(row)
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(self.tick, left))

    def keep(self) -> None:
        """Start again what fell, each time later while it keeps falling."""
        for name, version in self.runtime.fallen():
            due, pause = self._falls.get(name, (0.0, 1.0))
            if time.monotonic() < due:
                continue
            self._falls[name] = (time.monotonic() + pause, min(30.0, pause * 2))
            self.say(f"{name} of {version} ended; starting it again")
            wanted = release.load(self.environment.releases, version)
            if name in {slot.name for slot in self.environment.slots}:
                self.runtime.start_web(name, wanted)
            else:
                self.runtime.start_role(name, wanted)

    def _bring_up(self, row: Row, slot: str, version: str, *, obey: bool = True) -> None:
        running = self.runtime.observe(slot)
        if running.release and running.release != version:
            if self._serves(slot) and row.plan.strategy not in ("recreate", "rolling"):
                raise DeployError(f"Slot {slot} serves {running.release}.", "Plan again.")
            self.runtime.stop(slot, self.environment.drain_seconds)
        wanted = release.load(self.environment.releases, version)
        self.runtime.start_web(slot, wanted)
        end = time.monotonic() + self.environment.start_seconds
        while not (self._ready(slot) and self.runtime.observe(slot).whole):
            if obey:
                self._pause(row, self.tick)
            else:
                self.journal.touch(row)
                time.sleep(self.tick)
            running = self.runtime.observe(slot)
            if running.trouble:
                raise DeployError(f"{version} does not start in slot {slot}: {running.trouble}.")
            if running.release != version:
                raise DeployError(f"{version} ended while it started in slot {slot}.", "Look at its log.")
            if time.monotonic() > end:
                raise DeployError(f"{version} was not ready within {self.environment.start_seconds:.0f} s.")

    def _ready(self, slot: str) -> bool:
        place = self.environment.slot(slot)
        headers = {"Host": self.environment.host_header}
        return web.ask(place.address, "/readyz", headers=headers, timeout=5).status == 200

    def is_ready(self, slot: str) -> bool:
        """Whether the version in a slot says so itself."""
        return self._ready(slot)

    def _await_up(self, row: Row, slot: str) -> None:
        """The version says ready before the proxy has noticed; who goes by the first loses requests."""
        end = time.monotonic() + OBSERVE_SECONDS
        while slot not in self.traffic.observe().up:
            if time.monotonic() > end:
                raise DeployError(
                    f"The proxy does not see slot {slot}.", "Look at its log, and whether it may connect."
                )
            self.journal.touch(row)
            time.sleep(min(0.05, self.tick))

    def _set(self, row: Row, shares: Shares) -> None:
        """Set the shares, and see that they are so."""
        if self.traffic.read_shares() != shares:
            self.traffic.set_shares(shares, row.plan.fence)
        end = time.monotonic() + OBSERVE_SECONDS
        while (seen := self.traffic.read_shares()) != shares:
            if time.monotonic() > end:
                raise DeployError(f"The proxy does {seen}, and was told {shares}.")
            time.sleep(0.02)
        self.journal.touch(row)

    def _replace(self, row: Row, slot: str, version: str, *, obey: bool = True) -> None:
        """One slot of several: out, exchanged, seen by the proxy, tried, in again."""
        if self.runtime.observe(slot).release == version and self._ready(slot):
            self._set(row, Shares.only(*row.facts["old"]))
            return
        others = [name for name in row.facts["old"] if name != slot]
        self._set(row, Shares.only(*others))
        self._drain(row, slot)
        self._bring_up(row, slot, version, obey=obey)
        self._await_up(row, slot)
        if obey:
            _, failed = self.probes.smoke(slot)
            if failed:
                raise DeployError(f"The probe '{failed}' failed twice in slot {slot}.")
        self._set(row, Shares.only(*row.facts["old"]))

    def _drain(self, row: Row, slot: str) -> int:
        """Wait until nothing is under way there. Returns what still is when the time is over."""
        end = time.monotonic() + self.environment.drain_seconds
        while (left := self.traffic.counters(slot).open) and time.monotonic() < end:
            self.journal.touch(row)
            time.sleep(0.1)
        return left

    def _one_of_each(self, wanted: release.Release) -> None:
        """What was started beside the first is of the version before; the new one is scaled afterwards."""
        for role in set(OVERLAPPING).intersection(self.environment.roles):
            if len(self.runtime.several(role)) > 1:
                self.runtime.set_several(role, 1, wanted)

    def _swap_roles(self, row: Row, version: str) -> None:
        wanted = release.load(self.environment.releases, version)
        self._one_of_each(wanted)
        for role in self.environment.roles:
            # A swap that died in the middle is looked at again, not believed.
            kind = f"swap:{role}:{version}"
            self.journal.step(row, kind)
            ended = self.runtime.swap_role(role, wanted, self.environment.drain_seconds)
            self.journal.end_step(row, kind, "done", ended_by_itself=ended)
