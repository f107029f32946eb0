"""Who is asked next, rule by rule."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    ContextTooLong,
    InvalidRequest,
    QuotaExceeded,
    RateLimited,
    Refused,
    TimedOut,
    Unavailable,
)
from apps.backends.selectors.profiles import ProfileView
from apps.backends.selectors.routes import RouteStepView
from apps.backends.services.chain import Chain, Move, RetryPolicy
from apps.backends.services.cooldowns import FIRST, LONGEST, OPERATOR, pause_after


def step(name: str, *, cooling: str = "", secret: bool = True) -> RouteStepView:
    profile = ProfileView(
        id=uuid.uuid4(),
        name=name,
        kind="model",
        plugin_key="openai",
        revision=1,
        schema_version=1,
        options={},
        secret_refs={"api_key": "env:AIWRITER_SECRET_X"} if secret else {},
        cooldown_until=timezone.now() + dt.timedelta(minutes=1) if cooling else None,
        cooldown_kind=cooling,
    )
    return RouteStepView(position=1, profile=profile, model="m")


def chain(*steps: RouteStepView) -> Chain:
    made = Chain(steps, RetryPolicy(), jitter=lambda most: most)
    made.first()
    return made


def after(
    made: Chain, error: BackendError, *, wrote: bool = False, left: float = 600.0, account: str = "a"
) -> Move | None:
    return made.after(error, account=account, wrote=wrote, left=left)


def name(move: Move | None) -> str:
    return move.step.profile.name if move else ""


def test_a_passing_fault_is_tried_again_with_growing_waits_then_passed_on() -> None:
    made = chain(step("one"), step("two"))
    moves = [after(made, Unavailable()) for _ in range(3)]
    assert [name(m) for m in moves] == ["one", "one", "two"]
    assert [m.wait for m in moves if m] == [0.5, 1.0, 0.0]


def test_after_a_word_nothing_is_tried_again() -> None:
    assert name(after(chain(step("one"), step("two")), Unavailable(), wrote=True)) == "two"


def test_the_last_backend_goes_on_a_bounded_number_of_times() -> None:
    made = chain(step("one"))
    moves = [name(after(made, Unavailable(), wrote=True)) for _ in range(4)]
    assert moves == ["one", "one", "one", ""]


def test_a_time_out_is_not_waited_for_twice_while_there_is_another() -> None:
    assert name(after(chain(step("one"), step("two")), TimedOut())) == "two"
    assert name(after(chain(step("one")), TimedOut())) == "one"


def test_retry_after_is_obeyed_or_the_next_is_asked() -> None:
    move = after(chain(step("one"), step("two")), RateLimited(retry_after=4))
    assert move
    assert (name(move), move.wait) == ("one", 4.5)
    assert name(after(chain(step("one"), step("two")), RateLimited(retry_after=30))) == "two"
    patient = after(chain(step("one")), RateLimited(retry_after=30))
    assert patient
    assert patient.wait == 30.5
    assert after(chain(step("one")), RateLimited(retry_after=300)) is None


@pytest.mark.parametrize("error", [AuthFailed(), QuotaExceeded()])
def test_an_account_error_is_multiplied_once_at_most(error: BackendError) -> None:
    made = chain(step("one"), step("two"), step("three"), step("free", secret=False))
    assert name(after(made, error, account="a")) == "two"
    assert not made.may_ask("a")
    assert made.may_ask("b")
    assert made.may_ask("")
    assert name(after(made, error, account="b")) == "free"
    assert after(made, error, account="") is None


@pytest.mark.parametrize("error", [ContextTooLong(), InvalidRequest(), BackendError()])
def test_a_fault_of_request_or_plugin_is_passed_on_at_once(error: BackendError) -> None:
    assert name(after(chain(step("one"), step("two")), error)) == "two"


def test_a_refusal_ends_it() -> None:
    assert after(chain(step("one"), step("two")), Refused()) is None


def test_out_of_time() -> None:
    assert after(chain(step("one"), step("two")), Unavailable(), left=0) is None


def test_cooling_backends_are_passed_over() -> None:
    made = Chain([step("one", cooling="unavailable"), step("two")])
    first = made.first()
    assert first
    assert first.profile.name == "two"


def test_with_everybody_cooling_a_guess_is_tried_but_never_an_empty_account() -> None:
    guess = Chain([step("quota", cooling="quota_exceeded"), step("down", cooling="unavailable")]).first()
    assert guess
    assert guess.profile.name == "down"
    assert Chain([step("quota", cooling="quota_exceeded")]).first() is None


def test_pauses() -> None:
    assert pause_after(Unavailable(), 1) is None
    assert pause_after(Unavailable(), 3) == FIRST
    assert pause_after(Unavailable(), 4) == FIRST * 2
    assert pause_after(Unavailable(), 400) == LONGEST
    assert pause_after(QuotaExceeded(), 1) == OPERATOR
    assert pause_after(RateLimited(retry_after=7), 1) == dt.timedelta(seconds=7)
    assert pause_after(RateLimited(retry_after=1e9), 1) == LONGEST
