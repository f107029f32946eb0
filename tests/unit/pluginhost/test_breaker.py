from __future__ import annotations

import threading

import pytest

from aiwriter.pluginhost.breaker import Breaker, BreakerBoard, BreakerPolicy, BreakerState
from aiwriter_sdk import AuthFailed, BackendError, ContextTooLong, QuotaExceeded, RateLimited, Refused, Unavailable

POLICY = BreakerPolicy(failures=3, cool_down=10, longest=60, operator=100, trial=30)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(POLICY, clock)


def fail(breaker: Breaker, times: int = 3, error: BackendError | None = None) -> None:
    for _ in range(times):
        breaker.failed(error or Unavailable("down"))


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.allow()
    fail(breaker, 1)
    assert not breaker.allow()
    assert breaker.status().retry_in == 10
    assert breaker.status().reason == "unavailable: down"


def test_one_trial_decides(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 10
    assert breaker.status().state is BreakerState.HALF_OPEN
    assert breaker.allow()
    assert not breaker.allow()  # one at a time
    breaker.succeeded()
    assert breaker.status().state is BreakerState.CLOSED
    assert breaker.allow()
    assert breaker.allow()


def test_failed_trials_double_the_wait_up_to_the_longest(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    waits = []
    for _ in range(5):
        waits.append(breaker.status().retry_in)
        clock.now += waits[-1]
        assert breaker.allow()
        breaker.failed(Unavailable("still down"))
    assert waits == [10, 20, 40, 60, 60]


def test_a_trial_that_never_reports_is_given_to_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 10
    assert breaker.allow()
    clock.now += 29
    assert not breaker.allow()
    clock.now += 1
    assert breaker.allow()


def test_a_trial_that_we_stopped_frees_its_place(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 10
    assert breaker.allow()
    breaker.abandoned()
    assert breaker.allow()


@pytest.mark.parametrize("error", [AuthFailed("no"), QuotaExceeded("empty")])
def test_what_only_an_operator_mends_opens_at_once_for_longer(breaker: Breaker, error: BackendError) -> None:
    breaker.failed(error)
    assert not breaker.allow()
    assert breaker.status().retry_in == 100


@pytest.mark.parametrize(("wait", "seconds"), [(7.0, 7), (9999.0, 60)])
def test_retry_after_opens_at_once_until_then(breaker: Breaker, wait: float, seconds: float) -> None:
    breaker.failed(RateLimited("slow down", retry_after=wait))
    assert breaker.status().retry_in == seconds


def test_slow_down_without_a_time_counts_as_a_failure(breaker: Breaker) -> None:
    breaker.failed(RateLimited("slow down"))
    assert breaker.allow()


@pytest.mark.parametrize("error", [ContextTooLong("long"), Refused("no")])
def test_errors_of_the_request_say_that_the_backend_works(breaker: Breaker, clock: Clock, error: BackendError) -> None:
    fail(breaker, 2)
    breaker.failed(error)
    fail(breaker, 2)
    assert breaker.allow()
    fail(breaker, 1)
    clock.now += 10
    assert breaker.allow()
    breaker.failed(error)
    assert breaker.status().state is BreakerState.CLOSED


def test_a_late_failure_does_not_shorten_the_wait(breaker: Breaker) -> None:
    breaker.failed(AuthFailed("no"))
    fail(breaker)
    assert breaker.status().retry_in == 100


def test_of_many_threads_one_gets_the_trial(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 10
    allowed: list[bool] = []
    start = threading.Barrier(16)

    def ask() -> None:
        start.wait()
        allowed.append(breaker.allow())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 1


def test_an_edited_profile_begins_anew(clock: Clock) -> None:
    board = BreakerBoard(POLICY, clock)
    board.get("p", "1").failed(AuthFailed("no"))
    assert not board.get("p", "1").allow()
    assert board.get("q", "1").allow()
    assert board.get("p", "2").allow()
