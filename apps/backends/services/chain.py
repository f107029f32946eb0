"""Decides who is asked next. Nothing here waits, calls or stores, so every rule can be tried by itself.

* Before the first delta a passing fault is tried again with the same backend, after a random wait or the one that the
  provider asks for. After a delta never: the text goes on with the next backend.
* An error of the account (no credit, wrong key) is neither tried again nor multiplied: at most one other account is
  asked. A backend without an account, such as the built-in one, costs nothing and may always follow.
* A policy's refusal ends the chain: asking elsewhere until somebody says yes is not the portal's to do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    Cancelled,
    QuotaExceeded,
    RateLimited,
    Refused,
    TimedOut,
    Unavailable,
)
from apps.backends.selectors.routes import RouteStepView

ACCOUNT_ERRORS = (AuthFailed, QuotaExceeded)
FINAL_ERRORS = (Refused, Cancelled)
# Cool-downs of these kinds are guesses about the future; when nobody else is left, asking is better than giving up.
PASSING_KINDS = frozenset({"unavailable", "timed_out", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently the same backend is asked again. Times in seconds.

    Args:
        retries: of one step, before its first delta.
        base: of the first wait; doubled with each.
        cap: of a wait that we choose.
        patience: longest wait that a provider may ask for while there is another backend.
        last_patience: the same when there is none.
        continuations: of the last backend after a break within its text.
    """

    retries: int = 2
    base: float = 0.5
    cap: float = 8.0
    patience: float = 5.0
    last_patience: float = 60.0
    continuations: int = 3


def _cooled_until(step: RouteStepView) -> float:
    return step.profile.cooldown_until.timestamp() if step.profile.cooldown_until else 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """Ask this step next, after so many seconds."""

    step: RouteStepView
    wait: float = 0.0


class Chain:
    """One walk along a chain.

    Args:
        steps: in the order of the route.
        policy: see `RetryPolicy`.
        jitter: gives a number from 0 to its argument; `random.uniform(0, …)` outside of tests.
    """

    def __init__(
        self,
        steps: Sequence[RouteStepView],
        policy: RetryPolicy | None = None,
        jitter: Callable[[float], float] | None = None,
    ) -> None:
        self._waiting = [step for step in steps if not step.profile.cooling]
        if not self._waiting:
            # The one whose cool-down ends first; an account that lacks credit is left alone all the same.
            rest = [s for s in steps if s.profile.cooldown_kind in PASSING_KINDS]
            self._waiting = sorted(rest, key=_cooled_until)[:1]
        self._policy = policy or RetryPolicy()
        self._jitter = jitter or (lambda most: random.uniform(0, most))  # noqa: S311 - spreads load, guards nothing
        self._tries = 0
        self._continued = 0
        self._refused: set[str] = set()
        self._present: RouteStepView | None = None

    def first(self) -> RouteStepView | None:
        """Who is asked first; None when nobody can be."""
        return self._take()

    def after(self, error: BackendError, *, account: str, wrote: bool, left: float) -> Move | None:
        """Who is asked after a failure; None when the chain is at its end.

        Args:
            error: of the step that was asked last.
            account: of that step, see `instances.Ready`.
            wrote: whether it gave any text.
            left: seconds until the deadline of the whole.
        """
        present = self._present
        if present is None or isinstance(error, FINAL_ERRORS) or left <= 0:
            return None
        if isinstance(error, ACCOUNT_ERRORS):
            return self._elsewhere(account)
        if (wait := self._wait_before_retry(error, wrote=wrote, left=left)) is not None:
            return Move(present, wait)
        if (step := self._take()) is not None:
            return Move(step)
        if wrote and error.retryable and self._continued < self._policy.continuations:
            # Nobody else is there and the text has grown: going on with the same backend repeats nothing.
            self._continued += 1
            self._present = present
            return Move(present, self._jitter(self._policy.base * 2**self._continued))
        return None

    def may_ask(self, account: str) -> bool:
        """Whether a step that comes up may be asked, now that its account is known."""
        return not account or account not in self._refused

    def skip(self) -> RouteStepView | None:
        """The step after one that may not be asked."""
        return self._take()

    def _take(self) -> RouteStepView | None:
        self._tries = 0
        self._present = self._waiting.pop(0) if self._waiting else None
        return self._present

    def _elsewhere(self, account: str) -> Move | None:
        self._refused.add(account)
        if len(self._refused) > 1:
            # Two accounts have refused. What is left may only be asked where it is free of any account.
            self._waiting = [step for step in self._waiting if not step.profile.secret_refs]
        step = self._take()
        return Move(step) if step else None

    def _wait_before_retry(self, error: BackendError, *, wrote: bool, left: float) -> float | None:
        if wrote or not isinstance(error, RateLimited | Unavailable | TimedOut) or self._tries >= self._policy.retries:
            return None
        if isinstance(error, TimedOut) and self._waiting:
            return None  # it has been waited for long enough already
        asked = error.retry_after if isinstance(error, RateLimited) else None
        if asked is not None:
            patience = self._policy.patience if self._waiting else self._policy.last_patience
            if asked > min(patience, left):
                return None
            wait = asked + self._jitter(self._policy.base)
        else:
            wait = self._jitter(min(self._policy.cap, self._policy.base * 2**self._tries))
        self._tries += 1
        return min(wait, left)
