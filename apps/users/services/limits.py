"""Rate limits that are exact when many ask at once.

The limiters of the usual libraries read a counter, compare and write it back: of 400 parallel requests 31 to 92 passed a
limit of 20. Here one statement asks and takes, in Redis where there is one, else in the database (the generic cell rate
algorithm): a caller may use its whole limit at once and gets it back evenly over the minute.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils.crypto import salted_hmac

from aiwriter.core import redis_addresses
from aiwriter.core.errors import StorageFull, TooManyRequests
from aiwriter.core.faults import machine_fault
from apps.users.models import RateLimit
from apps.users.selectors.access import Actor

log = logging.getLogger(__name__)
WINDOW = 60.0
# After Redis has failed the table is asked for this long, so that not each request waits for the failure again.
_REDIS_PAUSE = 10.0
_FORGET_AFTER = 3600.0
_MOST_IN_MEMORY = 10_000
_SCRIPT = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local answers = {}
for i, key in ipairs(KEYS) do
  local step = tonumber(ARGV[2 * i - 1])
  local window = tonumber(ARGV[2 * i])
  local due = math.max(tonumber(redis.call('GET', key) or '0'), now) + step
  if due > now + window + step / 1000 then
    answers[i] = {0, tostring(due - step - now)}
  else
    redis.call('SET', key, string.format('%.6f', due), 'EX', math.ceil(window) + 1)
    answers[i] = {1, tostring(due - now)}
  end
end
return answers
"""
_GIVE_BACK = """
local due = redis.call('GET', KEYS[1])
if due then
  redis.call('SET', KEYS[1], string.format('%.6f', tonumber(due) - tonumber(ARGV[1])), 'KEEPTTL')
end
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many requests in a time for one caller.

    Args:
        name: "token" or "user".
        key: whose.
        amount: requests that it may make in the window.
        window: seconds.
    """

    name: str
    key: str
    amount: int
    window: float = WINDOW

    @property
    def step(self) -> float:
        """Seconds that one request stands for."""
        return self.window / self.amount


@dataclass(frozen=True, slots=True)
class Door:
    """So many wrong attempts in a time at something that can be guessed.

    Args:
        name: "sign-in".
        amount: attempts that the window allows.
        window: seconds.
    """

    name: str
    amount: int
    window: float

    def limit(self, key: str) -> Limit:
        """The limit of one who tries."""
        digest = salted_hmac("apps.users.limits", key, algorithm="sha256").hexdigest()[:40]
        return Limit(name=self.name, key=f"{self.name}:{digest}", amount=self.amount, window=self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left of a limit after a request.

    Args:
        limit: which.
        passed: whether the request is let through.
        remaining: requests that may come at once.
        reset: seconds until the whole limit is free again.
        retry_after: seconds until one more is let through; 0 when `passed`.
    """

    limit: Limit
    passed: bool
    remaining: int
    reset: float
    retry_after: float


def limits_of(actor: Actor) -> list[Limit]:
    """The limits that bind an actor, the narrower first; none for the portal itself."""
    found = []
    if actor.token_id and settings.API_TOKEN_RATE:
        found.append(Limit(name="token", key=f"token:{actor.token_id}", amount=settings.API_TOKEN_RATE))
    if actor.user_id and settings.API_USER_RATE:
        found.append(Limit(name="user", key=f"user:{actor.user_id}", amount=settings.API_USER_RATE))
    return found


def take(actor: Actor) -> Allowance | None:
    """Count one request of an actor.

    Returns:
        the allowance that is nearest to its end; None when nothing limits the actor.
    """
    limits = limits_of(actor)
    if not limits:
        return None
    allowances = _take(limits)
    return min(allowances, key=lambda a: (a.passed, a.remaining / a.limit.amount))


def require_visitor(network: str, *, amount: int) -> None:
    """Count one request of somebody without an account.

    Args:
        network: where from, see `clients.network_of`.
        amount: requests a minute that one network may make; 0: as many as it likes.

    Raises:
        TooManyRequests: with the seconds to wait.
    """
    if not amount:
        return
    limit = Limit(name="visitor", key=f"visitor:{network}", amount=amount)
    allowance = _take([limit])[0]
    if not allowance.passed:
        raise TooManyRequests(
            f"Your network may open {amount} links a minute.",
            retry_after=allowance.retry_after,
            remedy="Wait a minute, then open the link again.",
        )


def require_attempt(door: Door, key: str) -> None:
    """Count one attempt to get in, exactly, however many are made at once.

    Args:
        door: what is tried.
        key: of whom or from where; kept as a digest, people type passwords into the wrong field.

    Raises:
        TooManyRequests: with the seconds to wait.
    """
    allowance = _take([door.limit(key)])[0]
    if not allowance.passed:
        raise TooManyRequests(
            "Too many attempts.", retry_after=allowance.retry_after, remedy="Wait a few minutes and try again."
        )


def give_back(door: Door, key: str) -> None:
    """Take back what one attempt has counted, because it was right."""
    limit = door.limit(key)
    if settings.REDIS_URL and not _redis.resting:
        from redis import RedisError

        try:
            _redis.give_back(limit)
        except RedisError as error:
            _redis.rest()
            log.warning("An attempt could not be given back, Redis does not answer: %s", error)
    else:
        RateLimit.objects.filter(key=limit.key).update(due=F("due") - limit.step)


def refusal(allowance: Allowance) -> TooManyRequests:
    """The error for a request that is one too many."""
    whose = "This token" if allowance.limit.name == "token" else "This account"
    return TooManyRequests(
        f"{whose} may ask {allowance.limit.amount} times a minute.",
        retry_after=allowance.retry_after,
        remedy="Wait as long as Retry-After says, and ask less often.",
    )


def headers(allowance: Allowance) -> dict[str, str]:
    """What a client is told: the widespread headers and the standard's (draft-ietf-httpapi-ratelimit-headers)."""
    limit, reset = allowance.limit, max(0, round(allowance.reset))
    told = {
        "X-RateLimit-Limit": str(limit.amount),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(reset),
        "RateLimit-Policy": f'"{limit.name}";q={limit.amount};w={WINDOW:.0f}',
        "RateLimit": f'"{limit.name}";r={allowance.remaining};t={reset}',
    }
    if not allowance.passed:
        told["Retry-After"] = str(max(1, -int(-allowance.retry_after // 1)))
    return told


def prune() -> int:
    """Forget callers who have not asked for an hour. Returns how many."""
    return RateLimit.objects.filter(due__lt=time.time() - _FORGET_AFTER).delete()[0]


def _take(limits: Sequence[Limit]) -> list[Allowance]:
    if settings.REDIS_URL and not _redis.resting:
        from redis import RedisError  # here: it takes 0.5 s and 15 MB of every process that has no Redis

        try:
            return _redis.take(limits)
        except RedisError as error:
            _redis.rest()
            log.warning("Rate limits are counted in the database, Redis does not answer: %s", error)
    try:
        return _in_database(limits)
    except DatabaseError as error:
        if not isinstance(machine_fault(error), StorageFull):
            raise
        # Who only reads is still let in. Each process counts for itself until there is room again.
        log.warning("Rate limits are counted in memory: %s", error)
        return [_memory.take(limit) for limit in limits]


def _in_database(limits: Sequence[Limit]) -> list[Allowance]:
    """One upsert for all limits. The rows are locked in the order of their keys, so two callers cannot lock crosswise."""
    now = time.time()
    window = limits[0].window
    if any(limit.window != window for limit in limits):
        return [allowance for limit in limits for allowance in _in_database([limit])]
    ordered = sorted(limits, key=lambda limit: limit.key)
    larger = "MAX" if connection.vendor == "sqlite" else "GREATEST"
    table = RateLimit._meta.db_table
    rows = ", ".join(["(%s, %s)"] * len(ordered))
    # The step and the window of a row follow from its key; the new row's own value carries the step.
    step = f"(excluded.due - {now!r})"
    found = f"{larger}({table}.due, {now!r}) + {step}"
    sql = (
        f"INSERT INTO {table} (key, due) VALUES {rows} ON CONFLICT (key) DO UPDATE SET due = {found} "  # noqa: S608
        f"WHERE {found} <= {now + window!r} + {step} / 1000 RETURNING key, due"
    )
    values: list[Any] = [value for limit in ordered for value in (limit.key, now + limit.step)]
    # A transaction waits for its turn at SQLite's write lock; a statement of its own would sleep and ask again.
    alone = connection.vendor == "sqlite" and not connection.in_atomic_block
    with transaction.atomic() if alone else nullcontext(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        due: dict[str, float] = dict(cursor.fetchall())
    full = dict(
        RateLimit.objects.filter(key__in=[limit.key for limit in limits if limit.key not in due]).values_list(
            "key", "due"
        )
        if len(due) < len(limits)
        else []
    )
    return [
        _allowance(limit, passed=limit.key in due, ahead=due.get(limit.key, full.get(limit.key, now + window)) - now)
        for limit in limits
    ]


def _allowance(limit: Limit, *, passed: bool, ahead: float) -> Allowance:
    free = max(0.0, limit.window - ahead)
    # A thousandth of a step is the tolerance of the comparison: sums of floats may miss by their last digit.
    remaining = int(free / limit.step + 0.001) if passed else 0
    wait = 0.0 if passed else max(0.0, ahead + limit.step - limit.window)
    return Allowance(limit=limit, passed=passed, remaining=remaining, reset=max(0.0, ahead), retry_after=wait)


class _Memory:
    """The same for this process alone, while the database cannot keep anything."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, limit: Limit) -> Allowance:
        """Ask and take."""
        now = time.time()
        with self._lock:
            if len(self._due) >= _MOST_IN_MEMORY:
                self._due = {key: due for key, due in self._due.items() if due > now}
            due = max(self._due.get(limit.key, 0.0), now) + limit.step
            passed = due <= now + limit.window + limit.step / 1000
            if passed:
                self._due[limit.key] = due
            ahead = self._due.get(limit.key, now) - now
        return _allowance(limit, passed=passed, ahead=ahead)


class _Redis:
    """The same as a script, which Redis runs undisturbed."""

    def __init__(self) -> None:
        self._rested_at = 0.0
        self._lock = threading.Lock()

    @property
    def resting(self) -> bool:
        """Whether it failed a moment ago."""
        return time.monotonic() < self._rested_at

    def rest(self) -> None:
        """Leave it alone for a while."""
        with self._lock:
            self._rested_at = time.monotonic() + _REDIS_PAUSE

    def take(self, limits: Sequence[Limit]) -> list[Allowance]:
        """Ask and take.

        Raises:
            redis.RedisError: it does not answer.
        """
        script = _script(settings.REDIS_URL)
        numbers = [number for limit in limits for number in (f"{limit.step:.9f}", f"{limit.window:.0f}")]
        answers: Any = script(keys=[f"aiwriter:rate:{limit.key}" for limit in limits], args=numbers)
        return [
            _allowance(limit, passed=bool(passed), ahead=float(ahead))
            for limit, (passed, ahead) in zip(limits, answers, strict=True)
        ]

    def give_back(self, limit: Limit) -> None:
        """Take back one request.

        Raises:
            redis.RedisError: it does not answer.
        """
        script = _script(settings.REDIS_URL)
        script.registered_client.eval(_GIVE_BACK, 1, f"aiwriter:rate:{limit.key}", f"{limit.step:.9f}")


@cache
def _script(url: str) -> Any:
    return redis_addresses.client(url, seconds=0.5).register_script(_SCRIPT)


_memory, _redis = _Memory(), _Redis()
