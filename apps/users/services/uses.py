"""Writes down which capabilities were used: one batch a minute and process, after a request or a job, never within."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from celery.signals import task_postrun, worker_shutting_down
from django.conf import settings
from django.core.signals import request_finished
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.utils import timezone

from apps.users.models import CapabilityUse
from apps.users.selectors import uses

log = logging.getLogger(__name__)
# Seconds for which a process gathers counts.
EVERY = 60.0
KEPT = dt.timedelta(days=120)
_UPSERT = (
    "INSERT INTO users_capabilityuse (user_id, token_id, capability, workspace_id, day, allowed, denied) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s) "
    "ON CONFLICT (user_id, day, capability, workspace_id, token_id) DO UPDATE SET "
    "allowed = users_capabilityuse.allowed + excluded.allowed, denied = users_capabilityuse.denied + excluded.denied"
)


def write_uses() -> int:
    """Add what was counted to the table. A process that is killed loses the counts of its last minute, and nothing else.

    Returns:
        how many rows were added to.
    """
    counts = uses.take()
    if not counts:
        return 0
    as_key = connection.ops.adapt_datefield_value
    plain = CapabilityUse._meta.get_field("workspace_id").get_db_prep_value
    # In one order, so that two processes that write at once cannot wait for each other.
    rows: list[tuple[Any, ...]] = [
        (
            plain(key.user_id, connection),
            plain(key.token_id, connection),
            key.capability,
            plain(key.workspace_id, connection),
            as_key(key.day),
            allowed,
            denied,
        )
        for key, (allowed, denied) in sorted(counts.items())
    ]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(_UPSERT, rows)
    except DatabaseError:
        uses.give_back(counts)
        raise
    return len(rows)


def write_if_due(**kwargs: Any) -> None:
    """After a request or a job; a database that is away is asked again after the next one."""
    if not uses.is_due(getattr(settings, "USES_WRITTEN_EVERY", EVERY)) or connection.in_atomic_block:
        return
    try:
        write_uses()
    except DatabaseError as error:
        log.warning("Counts of used capabilities could not be written and are kept: %s", error)
    finally:
        # Django has looked after this thread's connections before it called here.
        close_old_connections()


def prune_uses() -> int:
    """Forget counts that no review asks for any more."""
    return CapabilityUse.objects.filter(day__lt=(timezone.now() - KEPT).date()).delete()[0]


def listen() -> None:
    """Called once in each process."""
    request_finished.connect(write_if_due, dispatch_uid="users.uses")
    task_postrun.connect(write_if_due, dispatch_uid="users.uses", weak=False)
    worker_shutting_down.connect(write_if_due, dispatch_uid="users.uses", weak=False)
