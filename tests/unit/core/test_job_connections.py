"""What happens to a worker's database connections between two tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection, connections

from aiwriter.celery import app

TASK = SimpleNamespace(request=SimpleNamespace(is_eager=False))


def between_tasks() -> DjangoWorkerFixup:
    """What the application has installed in its worker."""
    (fixup,) = app._fixups
    found: DjangoWorkerFixup = fixup.worker_fixup
    return found


def in_a_worker(work: Callable[[], list[bool]]) -> list[bool]:
    """Do it in a thread, which has a connection of its own, as each thread of a worker has."""
    said: list[bool] = []

    def run() -> None:
        try:
            said.extend(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return said


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_kept_for_the_next_task_as_the_settings_say() -> None:
    def two_tasks() -> list[bool]:
        connection.ensure_connection()
        first = connection.connection
        between_tasks().on_task_postrun(TASK)
        between_tasks().on_task_prerun(TASK)
        return [connection.connection is first]

    # SQLite keeps one for ten minutes; PostgreSQL gives it back to the pool at once.
    assert in_a_worker(two_tasks) == [connection.settings_dict["CONN_MAX_AGE"] != 0]


@pytest.mark.django_db(transaction=True)
def test_what_is_too_old_or_broken_is_not_used_again() -> None:
    def aged() -> list[bool]:
        connection.ensure_connection()
        connection.close_at = 0.0
        between_tasks().on_task_prerun(TASK)
        return [connection.connection is None]

    def broken() -> list[bool]:
        connection.ensure_connection()
        connection.close_at = None
        # It is not asked whether it works: a frozen server would not answer.
        connection.errors_occurred = True
        connection.is_usable = lambda: pytest.fail("asked")  # type: ignore[method-assign]
        between_tasks().on_task_prerun(TASK)
        return [connection.connection is None]

    assert in_a_worker(aged) == [True]
    assert in_a_worker(broken) == [True]
