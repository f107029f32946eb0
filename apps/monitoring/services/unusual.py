"""When something is unusual. No clock, no database: the same past always gives the same findings.

A day has three parts, and a weekend is a part of its own: what is usual at ten in the morning says nothing about three at
night. What an account did in a part is compared with the same parts of its last 28 days by the robust z-score, the distance
from the median in median absolute deviations: one wild day in the past moves neither, as it would move mean and variance.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PAST = dt.timedelta(days=28)
# With less of a past nothing is known of what is usual.
LEAST_DAYS = 7
_SCORE = 6.0
# A MAD of 1 is 0.6745 standard deviations of a normal distribution.
_CONSISTENT = 0.6745


@dataclass(frozen=True, slots=True)
class Act:
    """Something that an account did: when, of which kind, how much of it."""

    user_id: str
    at: dt.datetime
    kind: str
    amount: float = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something unusual."""

    user_id: str
    kind: str
    begins_at: dt.datetime
    value: float
    usual: float
    score: float


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Of a kind: below `least` nothing is told, and a deviation counts as no smaller than `floor`."""

    least: float
    floor: float


BOUNDS: Mapping[str, _Bounds] = {
    "downloads": _Bounds(least=15, floor=2.0),
    "denied": _Bounds(least=10, floor=1.0),
    "cost": _Bounds(least=5.0, floor=0.5),
    "privileged": _Bounds(least=2, floor=0.5),
}


def part_of(at: dt.datetime) -> tuple[dt.datetime, str]:
    """Begin and name of the part of the day that a moment lies in (UTC)."""
    midnight = at.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if midnight.weekday() >= 5:
        return midnight, "weekend"
    hour = at.astimezone(dt.UTC).hour
    begin, name = (7, "day") if 7 <= hour < 19 else (19, "evening") if hour >= 19 else (0, "night")
    return midnight.replace(hour=begin), name


def unusual(acts: Iterable[Act], now: dt.datetime) -> list[Finding]:
    """What lies far above what the same account did before.

    Args:
        acts: of the last 28 days and of the present part of the day.
        now: when; the part of the day that lies before it is judged.
    """
    present, name = part_of(now)
    sums: dict[tuple[str, str], dict[dt.datetime, float]] = defaultdict(lambda: defaultdict(float))
    first: dict[str, dt.datetime] = {}
    parts = _parts(present, name)
    # Parts begin and end with an hour: which hours count, and in which part, is asked once for all acts.
    hours = {
        int(begin.timestamp()) // 3600 + n: begin
        for begin in (*parts, present)
        for n in range(24)
        if part_of(begin + dt.timedelta(hours=n)) == (begin, name)
    }
    for act in acts:
        user_id, at = act.user_id, act.at
        if user_id not in first or at < first[user_id]:
            first[user_id] = at
        if (begin := hours.get(int(at.timestamp()) // 3600)) is not None:
            sums[user_id, act.kind][begin] += act.amount
    found = []
    for (user_id, kind), by_part in sums.items():
        value, bounds = by_part.get(present, 0.0), BOUNDS[kind]
        known = present - first[user_id]
        if value < bounds.least or known < dt.timedelta(days=LEAST_DAYS):
            continue
        past = [by_part.get(each, 0.0) for each in parts if each >= part_of(first[user_id])[0]]
        usual, score = robust_score(past, value, bounds.floor)
        if score >= _SCORE and value > 1.5 * max(past, default=0.0):
            found.append(Finding(user_id, kind, present, value, usual, round(score, 1)))
    return found


def robust_score(past: Sequence[float], value: float, floor: float) -> tuple[float, float]:
    """The median of the past, and how many robust deviations a value lies above it.

    Args:
        past: the same parts of earlier days.
        value: of now.
        floor: the least deviation; without it the second download of somebody who never had one were infinitely unusual.
    """
    if not past:
        return 0.0, value / floor * _CONSISTENT
    middle = statistics.median(past)
    spread = statistics.median(abs(each - middle) for each in past)
    return middle, (value - middle) / max(spread, floor) * _CONSISTENT


def _parts(present: dt.datetime, name: str) -> list[dt.datetime]:
    """The begins of the same parts before this one."""
    days = (present - dt.timedelta(days=n) for n in range(1, PAST.days + 1))
    return [day for day in days if (day.weekday() >= 5) == (name == "weekend")]


def new_places(
    signs: Iterable[tuple[str, dt.datetime, str, str]], now: dt.datetime, *, within: dt.timedelta
) -> list[Finding]:
    """Who signed in from a network and with a device that were both never seen of them in 28 days.

    Args:
        signs: account, when, network, device; of the last 28 days.
        now: when.
        within: sign-ins of this last time are judged.
    """
    seen: dict[str, tuple[set[str], set[str], dt.datetime]] = {}
    found = []
    for user_id, at, network, device in sorted(signs, key=lambda each: each[1]):
        networks, devices, first = seen.setdefault(user_id, (set(), set(), at))
        known = at - first >= dt.timedelta(days=LEAST_DAYS) and len(networks) > 0
        if known and network and device and network not in networks and device not in devices and now - at <= within:
            found.append(Finding(user_id, "place", part_of(at)[0], 1.0, 0.0, 0.0))
        networks.add(network)
        devices.add(device)
    return found
