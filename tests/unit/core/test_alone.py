"""A worker without its broker: a real server that goes and comes back."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from celery import shared_task

from aiwriter.core import alone
from tests.servers.redis import Redis

swept, taken = threading.Event(), threading.Event()


@shared_task(name="tests.sweep")
def sweep() -> None:
    swept.set()


@shared_task(name="tests.work")
def work(number: int) -> None:
    assert number == 7
    taken.set()


@shared_task(name="tests.hourly")
def hourly() -> None:
    raise AssertionError("what runs every hour can wait")


def test_a_worker_goes_on_while_redis_is_away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CELERY_BEAT_SCHEDULE = {
        "sweep": {"task": "tests.sweep", "schedule": 5.0},
        "hourly": {"task": "tests.hourly", "schedule": 3600.0},
    }
    monkeypatch.setattr(alone, "_LOOK_SECONDS", 0.05)
    over = threading.Event()
    with Redis() as server:
        settings.CELERY_BROKER_URL = server.url
        thread = threading.Thread(target=alone._look, args=(over,))
        thread.start()
        try:
            assert not swept.wait(0.3)
            assert not alone.take_over(work, {"number": 7})
            server.__exit__(None, None, None)
            assert swept.wait(30)
            assert alone.take_over(work, {"number": 7})
            assert taken.wait(30)
            server.__enter__()
            for _ in range(600):
                if not alone._away.is_set():
                    break
                over.wait(0.05)
            assert not alone.take_over(work, {"number": 7})
        finally:
            over.set()
            thread.join(30)
