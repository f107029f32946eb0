"""Is it worse, is it better, is it known? Pure functions of counts: the same numbers give the same verdict everywhere.

The rules of stages are those of the canary (`aw_deployd.analysis`): the agent is a package of its own that works with the
portal down, so neither imports the other; a test compares them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

_NORMAL = NormalDist()
LEAST_FOR_STATISTICS = 20
LEAST_BAD = 3
ONLY_ERRORS = 5
# A difference of milliseconds is none for people, however many times it is.
WORSE_MILLISECONDS = 500.0
# Arms that differ from their plan by so small a chance were not filled by it.
SRM_ALPHA = 0.001
ALPHA, POWER = 0.05, 0.8

Verdict = Literal["back", "pass", "wait", "pause"]


@dataclass(frozen=True, slots=True)
class Arm:
    """What one variant did.

    Args:
        n: texts that ended.
        errors: of these, failed.
        regenerated: of these, asked for again by the same person.
        p95_ms: 95 % took at most so long; None when unknown.
        timed: how many were timed.
        priced: how many have a known cost; its mean and variance.
        people: who asked for them.
        hit: who had one that failed.
    """

    n: int = 0
    errors: int = 0
    regenerated: int = 0
    p95_ms: float | None = None
    timed: int = 0
    priced: int = 0
    cost: float = 0.0
    cost_variance: float = 0.0
    people: int = 0
    hit: int = 0


@dataclass(frozen=True, slots=True)
class Rails:
    """What a roll-out must keep to; see `FlagRollout`."""

    min_seconds: float
    max_seconds: float
    min_samples: int
    alpha: float
    errors: bool
    regenerated: bool
    latency_times: float
    cost_times: float


def judge(new: Arm, old: Arm, rails: Rails, seconds: float) -> tuple[Verdict, str]:
    """The verdict on a stage, and its reason. Without samples it pauses; it never passes.

    Args:
        new, old: since the stage began.
        rails: of the roll-out.
        seconds: since then.
    """
    if breach := _breach(new, old, rails):
        return "back", breach
    if seconds >= rails.min_seconds and new.n >= rails.min_samples:
        return "pass", f"{new.errors} of {new.n} texts failed, against {old.errors} of {old.n}."
    if seconds >= rails.max_seconds:
        return "pause", f"Not known: {new.n} texts in {seconds:.0f} s, {rails.min_samples} are needed."
    return "wait", f"{new.n} of {rails.min_samples} texts."


def _breach(new: Arm, old: Arm, rails: Rails) -> str:
    if rails.errors and new.errors >= ONLY_ERRORS and new.errors == new.n:
        return f"All {new.n} texts of the new variant failed."
    if new.n >= LEAST_FOR_STATISTICS:
        for watched, bad, others, words in (
            (rails.errors, new.errors, old.errors, "texts failed"),
            (rails.regenerated, new.regenerated, old.regenerated, "texts were asked for again"),
        ):
            if watched and bad >= LEAST_BAD and (chance := fisher(bad, new.n, others, old.n)) < rails.alpha:
                return f"{bad} of {new.n} {words}, against {others} of {old.n} (p {chance:.2g})."
    return _slower(new, old, rails.latency_times) or _dearer(new, old, rails)


def _slower(new: Arm, old: Arm, times: float) -> str:
    if not times or new.p95_ms is None or old.p95_ms is None or min(new.timed, old.timed) < LEAST_FOR_STATISTICS:
        return ""
    if new.p95_ms > times * old.p95_ms and new.p95_ms - old.p95_ms > WORSE_MILLISECONDS:
        return f"95 % of the texts took up to {new.p95_ms / 1000:.1f} s, against {old.p95_ms / 1000:.1f} s."
    return ""


def _dearer(new: Arm, old: Arm, rails: Rails) -> str:
    if not rails.cost_times or min(new.priced, old.priced) < LEAST_FOR_STATISTICS or not old.cost:
        return ""
    if new.cost <= rails.cost_times * old.cost:
        return ""
    chance = mean_is_higher(new, old)
    if chance >= rails.alpha:
        return ""
    return f"A text costs {new.cost:.4g} in the mean, against {old.cost:.4g} (p {chance:.2g})."


def mean_is_higher(new: Arm, old: Arm) -> float:
    """How likely so much higher a mean cost is when both cost the same (normal approximation, one side)."""
    error = math.sqrt(new.cost_variance / new.priced + old.cost_variance / old.priced)
    if not error:
        return 0.0 if new.cost > old.cost else 1.0
    return 1.0 - _NORMAL.cdf((new.cost - old.cost) / error)


def fisher(bad_new: int, new: int, bad_old: int, old: int) -> float:
    """How likely so many bad ones of the new, or more, are when both are equally good (Fisher's exact test, one side)."""
    if old == 0:
        # Nothing to compare with: what was hardly ever wrong is assumed.
        bad_old, old = 1, 200
    bad, total = bad_new + bad_old, new + old
    return min(1.0, sum(_hypergeometric(k, bad, new, total) for k in range(bad_new, min(bad, new) + 1)))


def fisher_two_sided(bad_one: int, one: int, bad_other: int, other: int) -> float:
    """The chance of a table that is as unlikely as this one, or more, when both are equal."""
    bad, total = bad_one + bad_other, one + other
    seen = _hypergeometric(bad_one, bad, one, total)
    every = (_hypergeometric(k, bad, one, total) for k in range(max(0, bad - other), min(bad, one) + 1))
    return min(1.0, sum(chance for chance in every if chance <= seen * (1 + 1e-9)))


def _hypergeometric(k: int, bad: int, drawn: int, total: int) -> float:
    if k > bad or drawn - k > total - bad or k < 0:
        return 0.0
    return math.exp(_log_choose(bad, k) + _log_choose(total - bad, drawn - k) - _log_choose(total, drawn))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def proportions_differ(bad_one: int, one: int, bad_other: int, other: int) -> float:
    """The chance of so large a difference, to either side: exact where counts are small, else by the normal law."""
    if not one or not other:
        return 1.0
    share = (bad_one + bad_other) / (one + other)
    if min(one, other) * min(share, 1 - share) < 10:
        return fisher_two_sided(bad_one, one, bad_other, other)
    error = math.sqrt(share * (1 - share) * (1 / one + 1 / other))
    return 2 * (1 - _NORMAL.cdf(abs(bad_one / one - bad_other / other) / error))


def planned_size(baseline: float, effect: float, split: int = 50) -> int:
    """People that the smaller arm needs so that a difference of `effect` is found with 80 % power at 5 %, to either side.

    Args:
        baseline: share with the control.
        effect: the least difference that matters.
        split: per cent that get the treatment; with unequal arms the smaller one needs fewer than half of all.
    """
    other = baseline + effect if baseline + effect < 1 else baseline - effect
    smaller = min(split, 100 - split)
    ratio = (100 - smaller) / smaller
    pooled = (baseline + ratio * other) / (1 + ratio)
    level = _NORMAL.inv_cdf(1 - ALPHA / 2) * math.sqrt((1 + 1 / ratio) * pooled * (1 - pooled))
    power = _NORMAL.inv_cdf(POWER) * math.sqrt(baseline * (1 - baseline) + other * (1 - other) / ratio)
    return math.ceil(((level + power) / effect) ** 2)


def sample_ratio(control: int, treatment: int, split: int) -> float:
    """How likely arms of these sizes are when `split` per cent should be in the second (chi-square, one degree)."""
    total = control + treatment
    if not total:
        return 1.0
    wanted = (total * (100 - split) / 100, total * split / 100)
    square = sum((seen - want) ** 2 / want for seen, want in zip((control, treatment), wanted, strict=True))
    return math.erfc(math.sqrt(square / 2))


def percentile(values: list[float], share: float = 0.95) -> float | None:
    """The value that so many are below or at; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]
