"""A circuit breaker for each profile: a backend that keeps failing is left alone for a while instead of being asked again.

Closed, calls pass. After some failures in a row it opens and refuses calls until a cool-down is over. Then it is half
open: one call may try; its success closes the breaker, its failure opens it for twice as long.

The state belongs to one process. Workers learn of a dead provider one by one, each at the price of a few failed calls; in
return no call waits for a shared store, and a store that is down cannot stop all writing.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    Cancelled,
    ConfigInvalid,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    Unsupported,
)

# The operator has to act before a call can succeed; asking again only costs time, and with some providers the account.
_OPERATOR = (AuthFailed, ConfigInvalid, QuotaExceeded)
# The request was at fault, or the writer stopped it: the backend answered, so it works.
_REQUEST = (Cancelled, InvalidRequest, NotFound, Refused, Unsupported)


class BreakerState(enum.StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When to open and for how long.

    Args:
        failures: in a row, until it opens.
        cool_down: seconds of the first opening; doubled at each failed trial.
        longest: seconds that the doubling and a provider's Retry-After may reach.
        operator: seconds after an error that only an operator can mend.
        trial: seconds after which a trial that never reported is given to another caller.
    """

    failures: int = 5
    cool_down: float = 15.0
    longest: float = 600.0
    operator: float = 900.0
    trial: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStatus:
    """A picture of the breaker for the console; `retry_in` is in seconds."""

    state: BreakerState
    failures: int
    retry_in: float
    reason: str


class Breaker:
    """One profile's breaker; safe in several threads.

    Ask `allow()` before a call, then report exactly one of `succeeded()`, `failed(error)` or `abandoned()`.

    Args:
        policy: when to open.
        clock: seconds that only grow; `time.monotonic` outside of tests.
    """

    def __init__(self, policy: BreakerPolicy | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy or BreakerPolicy()
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._openings = 0
        self._open_until: float | None = None
        self._trial_until: float | None = None
        self._reason = ""

    def allow(self) -> bool:
        """Whether a call may be made now; a True in the half-open state is the one trial."""
        with self._lock:
            now = self._clock()
            if self._open_until is None:
                return True
            if now < self._open_until or (self._trial_until is not None and now < self._trial_until):
                return False
            self._trial_until = now + self._policy.trial
            return True

    def succeeded(self) -> None:
        """The call worked."""
        with self._lock:
            self._close()

    def abandoned(self) -> None:
        """The call was stopped by us before it showed anything; the next caller may try at once."""
        with self._lock:
            self._trial_until = None

    def failed(self, error: BackendError) -> None:
        """The call failed.

        Args:
            error: decides: errors of the request close the breaker, errors that only an operator can mend and a request
                to slow down open it at once, all others count.
        """
        with self._lock:
            if isinstance(error, _REQUEST):
                self._close()
                return
            self._failures += 1
            self._reason = f"{error.kind}: {error.message}"
            if isinstance(error, _OPERATOR):
                self._open(self._policy.operator)
            elif isinstance(error, RateLimited) and error.retry_after is not None:
                self._open(min(error.retry_after, self._policy.longest))
            elif self._open_until is not None or self._failures >= self._policy.failures:
                self._open(min(self._policy.cool_down * 2.0**self._openings, self._policy.longest))
                # Bounded, since 2.0**1024 overflows and a backend may be down for weeks.
                self._openings = min(self._openings + 1, 30)

    def status(self) -> BreakerStatus:
        """The state now."""
        with self._lock:
            if self._open_until is None:
                state, wait = BreakerState.CLOSED, 0.0
            else:
                wait = max(0.0, self._open_until - self._clock())
                state = BreakerState.OPEN if wait else BreakerState.HALF_OPEN
            return BreakerStatus(state=state, failures=self._failures, retry_in=wait, reason=self._reason)

    def _open(self, seconds: float) -> None:
        until = self._clock() + seconds
        # A late report of a call that began earlier must not shorten what is decided already.
        self._open_until = until if self._trial_until is not None else max(until, self._open_until or until)
        self._trial_until = None

    def _close(self) -> None:
        self._failures = self._openings = 0
        self._open_until = self._trial_until = None
        self._reason = ""


class BreakerBoard:
    """The breakers of all profiles of one process."""

    def __init__(self, policy: BreakerPolicy | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        self._breakers: dict[str, tuple[str, Breaker]] = {}

    def get(self, profile: str, revision: str = "") -> Breaker:
        """The breaker of a profile; a new one when the profile was edited since.

        Args:
            profile: id of the profile.
            revision: changes whenever the profile's settings change, so that a mended key is tried at once.
        """
        with self._lock:
            known = self._breakers.get(profile)
            if known is None or known[0] != revision:
                known = (revision, Breaker(self._policy, self._clock))
                self._breakers[profile] = known
            return known[1]
