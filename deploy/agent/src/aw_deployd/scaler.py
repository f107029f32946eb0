"""Has as many web slots and workers run as the policies want, while no deployment is under way.

A look never waits: what was started is looked at again the next time. Policies come from the console and are kept on the
disk, so they hold while it is away; they choose a number within the bounds of the agent's own file, and nothing else.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aw_deployd import release, scaling
from aw_deployd.engine import Engine
from aw_deployd.errors import DeployError, Refused
from aw_deployd.journal import Journal
from aw_deployd.scaling import Memory, Policy
from aw_deployd.traffic import Shares, write

LOOK_SECONDS = 5.0
# A number of the console's that is older is not known.
FRESH_SECONDS = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class _Seen:
    """What the measures of one look are compared with."""

    at: float = 0.0
    cpu: dict[int, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)


class Scaler:
    """Scales one environment.

    Args:
        engine: whose drivers act.
        journal: keeps what was done.
        path: file of the policies, which the console's thread writes.
    """

    def __init__(self, engine: Engine, journal: Journal, path: Path | None = None) -> None:
        self._engine, self._journal = engine, journal
        self._environment = engine.environment
        self._path = path or self._environment.state / "scale.json"
        self._memory: dict[str, Memory] = {}
        self._seen: dict[str, _Seen] = {}
        self._starting: tuple[str, float] | None = None
        self._ending = ""
        self._told: dict[str, tuple[int, int]] = {}
        self._due = 0.0

    def look(self) -> None:
        """Measure, decide, do one thing for each part; nothing before the next look is due."""
        if time.monotonic() < self._due or not self._environment.scale:
            return
        self._due = time.monotonic() + LOOK_SECONDS
        kept = read_kept(self._path)
        for values in kept.get("policies", ()):
            try:
                policy = scaling.read(values, self._environment.scale)
                self._work(policy, kept)
            except Refused as error:
                self._once(str(values.get("part", ""))[:10], -1, f"Not scaled: {error}")
            except DeployError as error:
                self._engine.say(f"Scaling {values['part']}: {error}")

    def _work(self, policy: Policy, kept: Mapping[str, Any]) -> None:
        current = self._count(policy.part)
        if not current and not self._version():
            return
        load = self._load(policy, kept)
        memory = self._memory.setdefault(policy.part, Memory())
        wanted = scaling.decide(policy, current=current, load=load, now=time.time(), memory=memory)
        self._journal.scale_sample(policy.part, current, wanted.count, load)
        if not policy.act:
            if wanted.count != current and self._told.get(policy.part) != (current, wanted.count):
                self._journal.scaled(policy.part, current, wanted.count, wanted.why, acted=False)
                self._engine.say(f"{policy.part}: {wanted.count} instead of {current} would run, {wanted.why}")
            self._told[policy.part] = (current, wanted.count)
            return
        done = self._web(wanted.count) if policy.part == "web" else self._workers(current, wanted.count)
        if done != current:
            self._journal.scaled(policy.part, current, done, wanted.why, acted=True)
            self._engine.say(f"{policy.part}: {done} instead of {current}, {wanted.why}")

    def _once(self, part: str, mark: int, text: str) -> None:
        if self._told.get(part) != (mark, mark):
            self._engine.say(text)
        self._told[part] = (mark, mark)

    # ------------------------------------------------------------ what is so
    def _slots(self) -> list[str]:
        """That serve, in the order of the file."""
        shares = self._engine.traffic.observe().shares
        if shares is None:
            raise DeployError("the proxy does not answer, so nothing is changed.")
        found = [slot.name for slot in self._environment.slots if shares.of(slot.name) > 0]
        return [name for name in found if self._engine.runtime.observe(name).release]

    def _version(self) -> str:
        return next((self._engine.runtime.observe(name).release for name in self._slots()), "")

    def _count(self, part: str) -> int:
        return len(self._slots()) if part == "web" else len(self._engine.runtime.several(part))

    def _load(self, policy: Policy, kept: Mapping[str, Any]) -> float | None:
        """Of all together, in the unit of the target."""
        if policy.metric == "schedule":
            return None
        if policy.metric == "queue":
            fresh = time.time() - float(kept.get("at", 0)) <= FRESH_SECONDS
            waiting = kept.get("load", {}).get("queue")
            return float(waiting) if fresh and isinstance(waiting, int | float) else None
        seen, now = self._seen.setdefault(policy.part, _Seen()), time.monotonic()
        since, seen.at = now - seen.at, now
        if policy.metric == "requests":
            counted = {name: self._engine.traffic.counters(name).n for name in self._slots()}
            before, seen.requests = seen.requests, counted
            known = [
                number - before[name] for name, number in counted.items() if number >= before.get(name, number + 1)
            ]
            return sum(known) / since if known else None
        runtime = self._engine.runtime
        pids = (
            [runtime.observe(name).pid for name in self._slots()]
            if policy.part == "web"
            else [each.pid for each in runtime.several(policy.part)]
        )
        used = {pid: seconds for pid in pids if (seconds := _computed(pid)) is not None}
        earlier, seen.cpu = seen.cpu, used
        grown = [seconds - earlier[pid] for pid, seconds in used.items() if pid in earlier]
        return sum(grown) / since * 100 if grown else None

    # ------------------------------------------------------------ acting
    def _workers(self, current: int, wanted: int) -> int:
        """Start as many as are missing, or ask one to end; how many there are then."""
        if wanted == current:
            return current
        count = wanted if wanted > current else current - 1
        version = self._version() or self._engine.runtime.observe("worker").release
        self._engine.runtime.set_several("worker", count, release.load(self._environment.releases, version))
        return count

    def _web(self, wanted: int) -> int:
        """One slot more or fewer, over several looks; how many serve now.

        One slot stays free: a new version needs a place. A slot is stopped when nothing is under way in it any more; one that
        is needed again before that gets its share back.
        """
        serving = self._slots()
        wanted = min(wanted, len(self._environment.slots) - 1)
        # A deployment in between: what runs there now is no longer of the version that serves.
        if self._ending and self._runs(self._ending) != self._runs(serving[0]):
            self._ending = ""
        if self._starting and self._runs(self._starting[0]) != self._runs(serving[0]):
            self._starting = None
        if self._ending:
            if wanted > len(serving):
                return self._share([*serving, self._ending])
            self._end(self._ending, serving)
            return len(serving)
        if wanted > len(serving):
            return self._more(serving)
        self._starting = None
        if wanted < len(serving) and len(serving) > 1:
            return self._share(serving[:-1], ending=serving[-1])
        # One that this agent was about to end before it died itself.
        self._ending = next((name for name in self._beside(serving) if self._runs(name) == self._runs(serving[0])), "")
        return len(serving)

    def _beside(self, serving: list[str]) -> list[str]:
        return [slot.name for slot in self._environment.slots if slot.name not in serving]

    def _runs(self, slot: str) -> str:
        return self._engine.runtime.observe(slot).release

    def _more(self, serving: list[str]) -> int:
        engine = self._engine
        version = engine.runtime.observe(serving[0]).release
        if self._starting is None:
            free = self._beside(serving)
            same = [name for name in free if self._runs(name) == version]
            empty = [name for name in free if not self._runs(name)]
            place = next(iter(same or empty), "")
            if not place:
                # The version before, which stands by for the way back, is worth more than a slot.
                self._once("web", -2, "No slot is free: the version before stands by in it.")
                return len(serving)
            engine.runtime.start_web(place, release.load(self._environment.releases, version))
            self._starting = (place, time.monotonic() + self._environment.start_seconds)
        place, until = self._starting
        if engine.is_ready(place) and place in engine.traffic.observe().up:
            self._starting = None
            return self._share([*serving, place])
        if time.monotonic() > until:
            self._starting = None
            engine.runtime.stop(place, 5.0)
            raise DeployError(
                f"{version} was not ready in slot {place} in time; it is tried again.", "Look at its log."
            )
        return len(serving)

    def _share(self, slots: list[str], ending: str = "") -> int:
        order = [slot.name for slot in self._environment.slots if slot.name in slots]
        self._engine.traffic.set_shares(Shares.only(*order), self._journal.fence(self._environment.name))
        self._ending = ending
        return len(order)

    def _end(self, slot: str, serving: list[str]) -> None:
        if slot in serving:
            self._ending = ""
        elif not self._engine.traffic.counters(slot).open:
            self._engine.runtime.stop(slot, self._environment.drain_seconds)
            self._ending = ""


def keep(path: Path, policies: list[dict[str, Any]], load: Mapping[str, Any]) -> None:
    """Write what the console said, whole or not at all."""
    write(path, json.dumps({"policies": policies, "load": dict(load), "at": time.time()}))


def read_kept(path: Path) -> dict[str, Any]:
    """What the console said last; nothing when it never did."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _computed(pid: int) -> float | None:
    """Seconds of a processor that a process and its ended children have used; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return sum(map(int, fields[11:15])) / _TICKS
