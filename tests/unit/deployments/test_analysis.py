"""The verdict: a pure function that aborts what is worse, spares what is not, and never passes what it has not seen."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aw_deployd.analysis import Counts, Rules, Seen, Verdict, fisher, judge, percentile

RULES = Rules(min_seconds=10, max_seconds=60, min_samples=40)


def _seen(n: int = 0, errors: int = 0, p95: float | None = None, **more: object) -> Seen:
    return Seen(real=Counts(n, errors, p95), **more)  # type: ignore[arg-type]


counts = st.integers(0, 3000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(max_examples=150, deadline=None)
@given(counts, counts, st.floats(0, 200))
def test_never_passes_without_samples_and_time(new: tuple[int, int], old: tuple[int, int], seconds: float) -> None:
    found = judge(_seen(*new), _seen(*old), RULES, seconds)
    if found.verdict is Verdict.PASS:
        assert new[0] >= RULES.min_samples
        assert seconds >= RULES.min_seconds
    if seconds >= RULES.max_seconds:
        assert found.verdict is not Verdict.WAIT
    # The same numbers, the same verdict.
    assert judge(_seen(*new), _seen(*old), RULES, seconds) == found


@settings(max_examples=150, deadline=None)
@given(st.integers(20, 400), st.data())
def test_more_errors_never_make_it_better(n: int, data: st.DataObject) -> None:
    fewer = data.draw(st.integers(0, n - 1))
    old = _seen(n * 4, n // 50)
    if judge(_seen(n, fewer), old, RULES, 30).verdict is Verdict.ABORT:
        assert judge(_seen(n, fewer + 1), old, RULES, 30).verdict is Verdict.ABORT


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200), st.integers(0, 200), st.integers(1, 200), st.integers(0, 200))
def test_fisher_is_a_chance_and_falls_with_errors(new: int, bad_new: int, old: int, bad_old: int) -> None:
    bad_new, bad_old = min(bad_new, new), min(bad_old, old)
    chance = fisher(bad_new, new, bad_old, old)
    assert 0 <= chance <= 1
    if bad_new:
        assert chance <= fisher(bad_new - 1, new, bad_old + 1, old + 1) + 1e-9 or bad_old + 1 > old


def test_fisher_against_known_values() -> None:
    # scipy.stats.fisher_exact([[8, 2], [1, 5]], alternative="greater")
    assert fisher(8, 10, 1, 6) == pytest.approx(0.02447, abs=1e-4)
    assert fisher(0, 30, 0, 100) == 1.0


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (_seen(up=False), "down"),
        (_seen(connect_errors=3), "connections"),
        (_seen(failed_twice="search"), "search"),
        (_seen(5, 5), "All 5"),
        (_seen(40, 8), "8 errors of 40"),
        (_seen(30, 0, 500.0), "500 ms"),
    ],
)
def test_what_aborts(new: Seen, reason: str) -> None:
    found = judge(new, _seen(200, 1, 100.0), RULES, 5)
    assert found.verdict is Verdict.ABORT
    assert reason in found.reason


def test_when_both_are_down_it_is_neither_the_new_one_nor_good() -> None:
    """A machine that is too busy to answer the checks, or a database that both need: going back would lead nowhere."""
    down = _seen(200, 0, up=False)
    for seconds, verdict in ((5, Verdict.WAIT), (RULES.max_seconds, Verdict.PAUSE)):
        found = judge(down, _seen(200, 0, up=False), RULES, seconds)
        assert found.verdict is verdict
        assert "both versions" in found.reason
    # What else is surely wrong with the new one is wrong all the same.
    assert judge(_seen(up=False, connect_errors=3), _seen(up=False), RULES, 5).verdict is Verdict.ABORT
    assert judge(_seen(40, 8, up=False), _seen(200, 1, up=False), RULES, 5).verdict is Verdict.ABORT


def test_slowness_is_compared_with_its_like() -> None:
    slow_page = Seen(real=Counts(30, 0, 900.0), probe=Counts(30, 0, 20.0))
    only_probes = Seen(probe=Counts(100, 0, 20.0))
    assert judge(slow_page, only_probes, RULES, 5).verdict is Verdict.WAIT
    # Twice as slow, or slower by little, is no reason.
    assert judge(_seen(30, 0, 190.0), _seen(200, 0, 100.0), RULES, 5).verdict is Verdict.WAIT
    assert judge(_seen(30, 0, 50.0), _seen(200, 0, 10.0), RULES, 5).verdict is Verdict.WAIT


def test_a_dry_run_records_and_does_not_act() -> None:
    rules = replace(RULES, dry_run=True)
    bad, old = _seen(100, 50), _seen(200, 0)
    assert judge(bad, old, rules, 5).verdict is Verdict.WAIT
    assert judge(bad, old, rules, 60).verdict is Verdict.PAUSE
    assert judge(_seen(up=False), old, rules, 5).verdict is Verdict.ABORT


def test_twenty_percent_of_errors_are_found_and_a_healthy_version_is_spared() -> None:
    """As it goes in a stage: a look each half second, 5 % of 80 requests a second."""
    chance = random.Random(7)

    def stage(bad: float, good: float = 0.005) -> tuple[Verdict, int]:
        new, old = [0, 0], [0, 0]
        for look in range(1, 121):
            for counted, requests, rate in ((new, 2, bad), (old, 38, good)):
                counted[0] += requests
                counted[1] += sum(chance.random() < rate for _ in range(requests))
            found = judge(_seen(*new), _seen(*old), RULES, look / 2)
            if found.verdict is not Verdict.WAIT:
                return found.verdict, new[0]
        return Verdict.WAIT, new[0]

    broken = [stage(0.2) for _ in range(60)]
    assert sum(verdict is Verdict.ABORT for verdict, _ in broken) >= 54
    assert [verdict for verdict, _ in (stage(0.005) for _ in range(200))].count(Verdict.ABORT) <= 2


def test_percentiles() -> None:
    assert percentile([]) is None
    assert percentile([float(n) for n in range(1, 101)]) == 95.0
    assert percentile([7.0]) == 7.0
