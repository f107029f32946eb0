"""Finds generations that wait without a worker: the message was lost, the worker died, there was no room."""

from __future__ import annotations

import datetime as dt
import logging
import os

import psutil
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from aiwriter.core.leases import worker_name
from aiwriter.core.queue import enqueue
from apps.content.models import Export, Generation, GenerationEvent
from apps.content.models.generations import GenerationQuerySet
from apps.content.services.claims import reclaim_of
from apps.content.services.factchecks import wake_checks
from apps.content.services.generation import runner

logger = logging.getLogger(__name__)

# A message normally arrives within a tenth of a second.
PATIENCE = dt.timedelta(seconds=3)
EXPORT_PATIENCE = dt.timedelta(seconds=30)
KEEP_EVENTS = dt.timedelta(hours=24)


def sweep(*, patience: dt.timedelta = PATIENCE) -> int:
    """Start what waits, here, as far as there is room.

    It is taken over by the process that sweeps and not sent around again: with a long queue each sweep would otherwise
    add a message for every waiting row.

    Args:
        patience: how long a row's message is given to arrive; none at the start of a worker, which has nothing else to do.

    Returns:
        how many were started.
    """
    release_dead_neighbours()
    wake_exports()
    wake_checks()
    overdue = Q(state__in=Generation.HELD_STATES) | Q(queued_at__lt=timezone.now() - patience)
    return _start(Generation.objects.claimable().filter(overdue), runner.room)


def wake_exports(limit: int = 50) -> int:
    """Send the messages of exports again whose message or worker was lost.

    Returns:
        how many.
    """
    overdue = Export.objects.claimable().filter(queued_at__lt=timezone.now() - EXPORT_PATIENCE)
    ids = list(overdue.order_by("queued_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.make_export", export_id=str(each))
    return len(ids)


def refill(room: int) -> None:
    """Start rows that were left in the queue for want of room."""
    _start(Generation.objects.claimable(), room)


def release_dead_neighbours() -> int:
    """Let go of what workers held that ran on this machine and are gone, instead of waiting 15 s for their leases."""
    host = worker_name().rpartition(":")[0]
    names = (
        Generation.objects.filter(
            state__in=Generation.HELD_STATES, worker__startswith=f"{host}:", lease_until__gt=timezone.now()
        )
        .values_list("worker", flat=True)
        .distinct()
    )
    dead = [name for name in names if _is_dead(name)]
    return reclaim_of(dead) if dead else 0


def prune_events(batch: int = 500) -> int:
    """Remove the events of generations that ended a day ago; their text is in the row.

    Returns:
        how many generations were tidied.
    """
    old = timezone.now() - KEEP_EVENTS
    has_events = Exists(GenerationEvent.objects.filter(generation_id=OuterRef("pk")))
    done = Generation.objects.filter(state__in=Generation.FINAL_STATES, finished_at__lt=old).filter(has_events)
    total = 0
    while ids := list(done.values_list("pk", flat=True)[:batch]):
        GenerationEvent.objects.filter(generation_id__in=ids).delete()
        total += len(ids)
    return total


def _start(rows: GenerationQuerySet, room: int) -> int:
    ids = list(rows.order_by("queued_at").values_list("pk", flat=True)[:room]) if room > 0 else []
    return sum(1 for each in ids if runner.submit(each))


def _is_dead(name: str) -> bool:
    """Whether a worker of this machine is gone; of one whose number was given away again the lease has to run out."""
    pid = name.rpartition(":")[2]
    return pid.isdigit() and int(pid) != os.getpid() and not psutil.pid_exists(int(pid))


runner.refill = refill
