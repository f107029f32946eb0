"""Is the new version worse? A pure function of counts: the same numbers give the same verdict, on every machine.

The counts come from the proxy, since the stage began, people's requests and the agent's own probes apart. A verdict needs
samples: below them the answer is "not known", which pauses and never promotes. Twenty percent of errors are seen after some
40 requests, five percent after some 320; a fixed "99 % must succeed" stops more than half of the healthy versions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What to do."""

    ABORT = "abort"
    PASS = "pass"  # noqa: S105
    WAIT = "wait"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Counts:
    """What one version answered.

    Args:
        n: requests.
        errors: of these, answered with 5xx or not at all.
        p95: milliseconds; None when unknown.
    """

    n: int = 0
    errors: int = 0
    p95: float | None = None

    def __add__(self, other: Counts) -> Counts:
        # Of two slots the slower counts: a mean of percentiles would be no percentile.
        known = [each.p95 for each in (self, other) if each.p95 is not None]
        return Counts(self.n + other.n, self.errors + other.errors, max(known, default=None))


@dataclass(frozen=True, slots=True)
class Seen:
    """One version, since the stage began.

    Args:
        real: people's requests.
        probe: the agent's.
        up: whether the proxy calls it up.
        connect_errors: connections that failed.
        failed_twice: a probe that failed twice in a row, by name; "" for none.
    """

    real: Counts = field(default_factory=Counts)
    probe: Counts = field(default_factory=Counts)
    up: bool = True
    connect_errors: int = 0
    failed_twice: str = ""

    @property
    def all(self) -> Counts:
        """Both together."""
        return self.real + self.probe


@dataclass(frozen=True, slots=True)
class Rules:
    """When it is enough.

    Args:
        min_seconds, max_seconds: of a stage.
        min_samples: of the new version, before a stage may pass.
        alpha: below this chance a difference is none.
        dry_run: verdicts are recorded, and none but the hard ones acts.
    """

    min_seconds: float = 60.0
    max_seconds: float = 600.0
    min_samples: int = 40
    alpha: float = 0.002
    worse_times: float = 3.0
    worse_milliseconds: float = 100.0
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason."""

    verdict: Verdict
    reason: str


LEAST_FOR_STATISTICS = 20
LEAST_ERRORS = 3
CONNECT_ERRORS = 3
ONLY_ERRORS = 5


def judge(new: Seen, old: Seen, rules: Rules, seconds: float) -> Judgement:
    """The verdict on a stage.

    Args:
        new, old: the two versions.
        rules: of the stage.
        seconds: since it began.
    """
    if hard := _hard(new, old):
        return Judgement(Verdict.ABORT, hard)
    if soft := _statistical(new, old, rules):
        if not rules.dry_run:
            return Judgement(Verdict.ABORT, soft)
        if seconds >= rules.max_seconds:
            return Judgement(Verdict.PAUSE, f"Dry run: {soft}")
        return Judgement(Verdict.WAIT, f"Dry run: {soft}")
    if not new.up:
        # Going back would lead nowhere, and what is down is never promoted.
        reason = "The proxy calls both versions down: the machine is too busy, or what both need is away."
        return Judgement(Verdict.PAUSE if seconds >= rules.max_seconds else Verdict.WAIT, reason)
    if seconds >= rules.min_seconds and new.all.n >= rules.min_samples:
        return Judgement(
            Verdict.PASS, f"{new.all.errors} errors of {new.all.n}, against {old.all.errors} of {old.all.n}."
        )
    if seconds >= rules.max_seconds:
        return Judgement(
            Verdict.PAUSE, f"Not known: {new.all.n} requests in {seconds:.0f} s, {rules.min_samples} are needed."
        )
    return Judgement(Verdict.WAIT, f"{new.all.n} of {rules.min_samples} requests.")


def _hard(new: Seen, old: Seen) -> str:
    if not new.up and old.up:
        return "The proxy calls the new version down."
    if new.connect_errors >= CONNECT_ERRORS:
        return f"{new.connect_errors} connections to the new version failed."
    if new.failed_twice:
        return f"The probe '{new.failed_twice}' failed twice."
    both = new.all
    if both.errors >= ONLY_ERRORS and both.errors == both.n:
        return f"All {both.n} requests of the new version failed."
    return ""


def _statistical(new: Seen, old: Seen, rules: Rules) -> str:
    fresh, known = new.all, old.all
    if fresh.n < LEAST_FOR_STATISTICS:
        return ""
    if fresh.errors >= LEAST_ERRORS:
        chance = fisher(fresh.errors, fresh.n, known.errors, known.n)
        if chance < rules.alpha:
            return f"{fresh.errors} errors of {fresh.n}, against {known.errors} of {known.n} (p {chance:.2g})."
    # Like with like: people ask for other pages than probes do.
    for one, other in ((new.real, old.real), (new.probe, old.probe)):
        if one.p95 is None or other.p95 is None or min(one.n, other.n) < LEAST_FOR_STATISTICS:
            continue
        if one.p95 > rules.worse_times * other.p95 and one.p95 - other.p95 > rules.worse_milliseconds:
            return f"95 % within {one.p95:.0f} ms, against {other.p95:.0f} ms."
    return ""


def fisher(bad_new: int, new: int, bad_old: int, old: int) -> float:
    """How likely so many errors of the new one, or more, are when both are equally good (Fisher's exact test, one side)."""
    if old == 0:
        # Nothing to compare with: a version before that was hardly ever wrong is assumed.
        bad_old, old = 1, 200
    total, bad = new + old, bad_new + bad_old
    least = max(bad_new, bad - old)
    whole = _log_choose(total, new)
    chance = sum(
        math.exp(_log_choose(bad, k) + _log_choose(total - bad, new - k) - whole)
        for k in range(least, min(bad, new) + 1)
        if new - k <= total - bad
    )
    return min(1.0, chance)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def percentile(values: list[float], share: float = 0.95) -> float | None:
    """The value that so many are below or at; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]
