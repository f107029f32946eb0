"""Keys that make a request happen once, whatever process it reaches."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from aiwriter.core.errors import Conflict
from apps.users.models import IdempotencyRecord
from apps.users.services import idempotency
from apps.users.services.idempotency import KeptAnswer, StillRunning, abandon, begin, finish, prune


def take(key: str = "k", request_hash: str = "h"):
    return begin(scope="user:1 POST /x", key=key, request_hash=request_hash)


def test_the_answer_is_kept(db):
    record = take()
    finish(record, status=201, body=b'{"a":1}', headers={"ETag": '"1"'})
    assert take() == KeptAnswer(201, b'{"a":1}', {"ETag": '"1"'})


def test_a_running_request_says_wait(db):
    take()
    with pytest.raises(StillRunning) as caught:
        take()
    assert caught.value.retry_after == 1


def test_another_body_conflicts(db):
    finish(take(), status=200, body=b"", headers={})
    with pytest.raises(Conflict, match="another request"):
        take(request_hash="other")


def test_an_abandoned_key_is_free(db):
    abandon(take())
    assert isinstance(take(), IdempotencyRecord)


def test_a_finished_answer_cannot_be_abandoned(db):
    record = take()
    finish(record, status=200, body=b"x", headers={})
    abandon(record)
    assert isinstance(take(), KeptAnswer)


def test_the_key_of_a_process_that_died_is_taken_over(db):
    IdempotencyRecord.objects.filter(pk=take().pk).update(created_at=timezone.now() - idempotency.ABANDONED * 2)
    assert isinstance(take(), IdempotencyRecord)


def test_old_answers_are_forgotten(db):
    finish(take(), status=200, body=b"old", headers={})
    IdempotencyRecord.objects.update(created_at=timezone.now() - idempotency.KEPT - dt.timedelta(minutes=1))
    assert isinstance(take(), IdempotencyRecord)
    finish(take("other"), status=200, body=b"old", headers={})
    IdempotencyRecord.objects.filter(key="other").update(created_at=timezone.now() - idempotency.KEPT * 2)
    assert prune() == 1
    assert IdempotencyRecord.objects.count() == 1


def test_of_many_at_once_one_gets_through(transactional_db):
    def one(_: int) -> str:
        try:
            return type(take()).__name__
        except StillRunning:
            return "StillRunning"
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(one, range(8)))
    assert sorted(outcomes) == ["IdempotencyRecord"] + ["StillRunning"] * 7
