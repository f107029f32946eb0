"""Wakes workers. The row is the job; a lost message costs seconds, never work."""

from __future__ import annotations

import importlib
import logging
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction

from aiwriter.core import alone

logger = logging.getLogger(__name__)


def enqueue(task: str, *, countdown: float = 0, **kwargs: Any) -> None:
    """Send a task after the transaction commits.

    Args:
        task: registered name; looked up now, so that a wrong name fails here and not in a worker.
        countdown: seconds to wait.
        kwargs: ids as text; never rows.

    Raises:
        KeyError: no task of that name is registered.
        ModuleNotFoundError: no app of that name has tasks.
    """
    if task not in current_app.tasks:
        # A worker imports them all when it starts, the watch only those of the app that it wakes.
        importlib.import_module(f"apps.{task.partition('.')[0]}.tasks")
    registered = current_app.tasks[task]
    transaction.on_commit(partial(_send, registered, kwargs, countdown))


def _send(task: Any, kwargs: dict[str, Any], countdown: float) -> None:
    try:
        task.apply_async(kwargs=kwargs, countdown=countdown or None, retry=False)
    except Exception:
        if alone.take_over(task, kwargs):
            return
        # The row is committed and the sweeper finds it within seconds, so a broker that is away must not fail a
        # request whose work is already safe.
        logger.exception("The message for %s could not be sent; the sweeper will pick the row up", task.name)
