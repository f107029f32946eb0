"""Rate limits: exact under races, told in headers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError, connection

from apps.users.models import RateLimit
from apps.users.selectors.access import Actor
from apps.users.services import limits
from tests.factories.users import UserFactory, make_token
from tests.people import People
from tests.servers.redis import Redis

THREADS, EACH, LIMIT = 8, 25, 20


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis-protocol server of this module."""
    with Redis() as server:
        yield server.url


@pytest.fixture(params=["database", "redis"])
def store(request: pytest.FixtureRequest, settings: Any) -> str:
    """Both places where requests are counted."""
    settings.REDIS_URL = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    settings.API_TOKEN_RATE, settings.API_USER_RATE = 0, LIMIT
    limits._redis._rested_at = 0.0
    return str(request.param)


def _hammer(actor: Actor) -> list[bool]:
    gate = Barrier(THREADS)

    def run() -> list[bool]:
        try:
            gate.wait()
            return [bool(allowance and allowance.passed) for allowance in (limits.take(actor) for _ in range(EACH))]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return [passed for future in [pool.submit(run) for _ in range(THREADS)] for passed in future.result()]


def test_exactly_the_limit_passes_of_many_at_once(transactional_db: None, store: str, monkeypatch: Any):
    # An hour's window: nothing becomes free while the threads ask, so the figure is exact and no matter of speed.
    monkeypatch.setattr(limits, "WINDOW", 3600.0)
    asked = _hammer(Actor.for_user(UserFactory()))
    assert len(asked) == THREADS * EACH
    assert sum(asked) == LIMIT


def test_what_is_left_is_counted_down_and_comes_back(db: None, store: str):
    actor = Actor.for_user(UserFactory())
    first = limits.take(actor)
    assert first is not None
    assert (first.passed, first.remaining) == (True, LIMIT - 1)
    for _ in range(LIMIT - 1):
        last = limits.take(actor)
    refused = limits.take(actor)
    assert last is not None
    assert refused is not None
    assert (last.passed, last.remaining) == (True, 0)
    assert not refused.passed
    assert 0 < refused.retry_after <= 60 / LIMIT


def test_on_a_full_disk_each_process_counts_for_itself(db: None, settings: Any):
    """What the disk really says, and that a reader is served then, the proof `bad-input-core` shows."""
    settings.REDIS_URL, settings.API_TOKEN_RATE, settings.API_USER_RATE = "", 0, LIMIT

    def full(execute: Any, sql: str, *rest: Any) -> Any:
        if "INSERT INTO" in sql:
            raise OperationalError("database or disk is full")
        return execute(sql, *rest)

    actor = Actor.for_user(UserFactory())
    with connection.execute_wrapper(full):
        allowances = [limits.take(actor) for _ in range(LIMIT + 1)]
    assert [allowance.passed for allowance in allowances if allowance] == [True] * LIMIT + [False]
    assert allowances[-1] is not None
    assert 0 < allowances[-1].retry_after <= 60 / LIMIT
    assert not RateLimit.objects.exists()


def test_redis_that_is_gone_is_replaced_by_the_table(db: None, settings: Any):
    settings.REDIS_URL, settings.API_TOKEN_RATE, settings.API_USER_RATE = "redis://127.0.0.1:1/0", 0, LIMIT
    limits._redis._rested_at = 0.0
    allowance = limits.take(Actor.for_user(UserFactory()))
    assert allowance is not None
    assert allowance.passed
    assert RateLimit.objects.count() == 1
    assert limits._redis.resting
    limits._redis._rested_at = 0.0


def test_a_token_has_a_limit_of_its_own_and_shares_its_persons(api, people: People, settings: Any):
    settings.REDIS_URL, settings.API_TOKEN_RATE, settings.API_USER_RATE = "", 3, 5
    first, second = (make_token(people.wanda, "content.read")[1] for _ in range(2))
    got = [api(token=first).get("/api/v1/content").status_code for _ in range(4)]
    assert got == [200, 200, 200, 429]
    # The refused one counted for the person as well, who has one left.
    assert [api(token=second).get("/api/v1/content").status_code for _ in range(2)] == [200, 429]


def test_every_answer_tells_what_is_left(api, people: People, settings: Any):
    settings.REDIS_URL, settings.API_TOKEN_RATE, settings.API_USER_RATE = "", 0, 2
    client = api("wanda")
    answer = client.get("/api/v1/me")
    assert answer.headers["X-RateLimit-Limit"] == "2"
    assert answer.headers["X-RateLimit-Remaining"] == "1"
    assert answer.headers["RateLimit-Policy"] == '"user";q=2;w=60'
    assert answer.headers["RateLimit"].startswith('"user";r=1;t=')
    client.get("/api/v1/me")
    refused = client.get("/api/v1/me")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    assert refused.json()["error"]["code"] == "too_many_requests"


def test_zero_is_no_limit(api, people: People, settings: Any):
    settings.API_TOKEN_RATE = settings.API_USER_RATE = 0
    assert "X-RateLimit-Limit" not in api("wanda").get("/api/v1/me").headers
    assert not RateLimit.objects.exists()


def test_old_rows_are_forgotten(db: None):
    RateLimit.objects.create(key="user:old", due=time.time() - 4000)
    RateLimit.objects.create(key="user:new", due=time.time())
    assert limits.prune() == 1
    assert RateLimit.objects.get().key == "user:new"
