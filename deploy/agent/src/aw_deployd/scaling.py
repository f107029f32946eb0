"""How many of a part there should be: a pure function of a policy, of what was measured, and of what was wanted lately.

The rule is that of the HorizontalPodAutoscaler of Kubernetes: ceil(measured / target for each), nothing within a tenth of the
target, up at once and at most to twice as many, down to the highest number that was wanted within the policy's time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aw_deployd.errors import Refused

METRICS = ("cpu", "requests", "queue", "schedule")
PARTS = {"web": ("cpu", "requests", "schedule"), "worker": ("cpu", "queue", "schedule")}
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """A time of the week in which there are at least so many.

    Args:
        days: 0 for Monday to 6.
        begin, end: minutes of the day in UTC; an end before the begin is one of the next day.
    """

    days: tuple[int, ...]
    begin: int
    end: int
    count: int

    def holds(self, now: float) -> bool:
        """At this time, in seconds since 1970."""
        moment = time.gmtime(now)
        minute = moment.tm_hour * 60 + moment.tm_min
        if self.begin < self.end:
            return moment.tm_wday in self.days and self.begin <= minute < self.end
        begun_today = moment.tm_wday in self.days and minute >= self.begin
        return begun_today or ((moment.tm_wday - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Policy:
    """How many of a part there may be, and what decides.

    Args:
        part: "web" or "worker".
        metric: one of `METRICS`; "schedule" goes by the windows alone.
        target: for each one: percent of a core, requests a second, waiting jobs.
        minimum, maximum: never fewer, never more; a window may ask for more than the minimum.
        cooldown_seconds: how long fewer must have been enough before one is stopped.
        zero_after_seconds: nothing to do for so long, and there is none; 0 for never. For workers that go by the queue.
        act: otherwise what would be done is only told.
    """

    part: str
    metric: str
    target: float
    minimum: int
    maximum: int
    cooldown_seconds: float = 300.0
    zero_after_seconds: float = 0.0
    windows: tuple[Window, ...] = ()
    act: bool = False


@dataclass(slots=True)
class Memory:
    """What was wanted within the cooldown, and since when there has been nothing to do."""

    wanted: list[tuple[float, int]] = field(default_factory=list)
    idle_since: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many, and why in words for people."""

    count: int
    why: str


def read(values: Mapping[str, Any], bounds: Mapping[str, tuple[int, int]]) -> Policy:
    """A policy of the console's, cut to what the operator of the host allows.

    Raises:
        Refused: it is none, or this host does not scale the part.
    """
    try:
        windows = tuple(
            Window(tuple(int(day) for day in each["days"]), int(each["begin"]), int(each["end"]), int(each["count"]))
            for each in values.get("windows", ())
        )
        found = Policy(
            part=str(values["part"]),
            metric=str(values["metric"]),
            target=float(values["target"]),
            minimum=int(values["minimum"]),
            maximum=int(values["maximum"]),
            cooldown_seconds=float(values["cooldown_seconds"]),
            zero_after_seconds=float(values["zero_after_seconds"]),
            windows=windows,
            act=values["act"] is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"This is no scale policy: {error}.") from error
    if found.metric not in PARTS.get(found.part, ()) or not found.target > 0:
        raise Refused(f"A policy of '{found.part}' by '{found.metric}' with the target {found.target} cannot be.")
    if found.part not in bounds:
        raise Refused(
            f"This host does not scale '{found.part}'.", "Write its bounds under [scale] in the agent's file."
        )
    least, most = bounds[found.part]
    cut = {"minimum": min(max(found.minimum, least), most), "maximum": max(min(found.maximum, most), least)}
    return Policy(**{name: cut.get(name, getattr(found, name)) for name in Policy.__dataclass_fields__})


def decide(policy: Policy, *, current: int, load: float | None, now: float, memory: Memory) -> Wanted:
    """How many there should be.

    Args:
        policy: what holds.
        current: how many there are.
        load: of all together, in the unit of the target; None for not known.
        now: seconds since 1970.
        memory: of the looks before; changed.
    """
    least = max([policy.minimum, *(window.count for window in policy.windows if window.holds(now))])
    least = min(least, policy.maximum)
    # Who begins to look does not know what was needed a moment ago.
    if not memory.wanted:
        memory.wanted.append((now, current))
    if policy.metric == "schedule":
        return Wanted(least, f"the schedule asks for {least}")
    if load is None:
        count = min(max(current, least), policy.maximum)
        return Wanted(count, "what there is to do is not known")
    memory.idle_since = None if load > 0 else memory.idle_since if memory.idle_since is not None else now
    said = _in_words(policy, load)
    if _may_sleep(policy, least) and memory.idle_since is not None:
        idle = now - memory.idle_since
        if current == 0 or idle >= policy.zero_after_seconds:
            memory.wanted = [(now, 0)]
            return Wanted(0, f"nothing to do for {idle:.0f} s")
    floor = max(least, 1) if load > 0 or current else least
    exact = math.ceil(load / policy.target)
    if current and abs(load / (current * policy.target) - 1) <= TOLERANCE:
        exact = current
    exact = min(max(exact, floor), policy.maximum)
    memory.wanted = [(at, count) for at, count in memory.wanted if now - at <= policy.cooldown_seconds] + [(now, exact)]
    if exact > current:
        # Twice as many at most: what is not known yet of those that start just now must not bring more.
        return Wanted(min(exact, max(2 * current, 1, floor)), said)
    if exact < current:
        lately = max(count for _, count in memory.wanted)
        return Wanted(max(current - 1, exact) if lately < current else current, said)
    return Wanted(current, said)


def _may_sleep(policy: Policy, least: int) -> bool:
    return policy.zero_after_seconds > 0 and policy.metric == "queue" and least == 0


def _in_words(policy: Policy, load: float) -> str:
    if policy.metric == "cpu":
        return f"{load:.0f} % of a core in all, {policy.target:.0f} % for each"
    if policy.metric == "requests":
        return f"{load:.1f} requests a second, {policy.target:g} for each"
    return f"{load:.0f} jobs wait, {policy.target:g} for each"
