"""While Redis is away a worker goes on by the rows alone: they are the queue, and messages only wake it.

The scheduler's messages do not arrive either, so the worker runs the sweeps itself by its own clock; each takes what waits
by a lease, so several workers may do so at once. What a sweep would send to others is done here.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connections

from aiwriter.core import redis_addresses

logger = logging.getLogger(__name__)

# Sweeps have intervals of up to half a minute; what runs every hour can wait for Redis.
_QUICK_SECONDS = 30.0
_LOOK_SECONDS = 2.0
_away = threading.Event()
_hands = ThreadPoolExecutor(2, thread_name_prefix="alone")


def begin() -> None:
    """Look from now on, in a worker whose messages come by Redis; a broker in files is never away."""
    if redis_addresses.is_redis(settings.CELERY_BROKER_URL):
        threading.Thread(target=_look, args=(threading.Event(),), name="alone", daemon=True).start()


def take_over(task: Any, kwargs: dict[str, Any]) -> bool:
    """Do here what could not be sent.

    Returns:
        whether it will be done: only a worker does, and only while Redis is away.
    """
    if _away.is_set():
        _hands.submit(_run, task, kwargs)
    return _away.is_set()


def _look(over: threading.Event) -> None:
    import redis  # here: it takes 9 MB of every process that has no Redis

    client = redis_addresses.of_broker(settings.CELERY_BROKER_URL, settings.CELERY_BROKER_TRANSPORT_OPTIONS, seconds=2)
    due: dict[str, float] = {}
    while not over.wait(_LOOK_SECONDS):
        try:
            client.ping()
        except redis.RedisError:
            if not _away.is_set():
                logger.warning("Redis does not answer; this worker goes on by the rows alone")
                _away.set()
            _sweep(due)
        else:
            if _away.is_set():
                logger.warning("Redis answers again")
                _away.clear()


def _sweep(due: dict[str, float]) -> None:
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        name, every = entry["task"], entry["schedule"]
        if isinstance(every, float) and every <= _QUICK_SECONDS and due.get(name, 0.0) <= time.monotonic():
            due[name] = time.monotonic() + every
            _run(current_app.tasks[name], {})


def _run(task: Any, kwargs: dict[str, Any]) -> None:
    try:
        # In this thread, with the signals of a task; what it raises is logged by Celery.
        task.apply(kwargs=kwargs)
    finally:
        connections.close_all()
