"""Celery entrances."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from apps.content.services import (
    batch_runs,
    deliveries,
    exports,
    factchecks,
    importing,
    ingesting,
    outlines,
    publishing,
    releasing,
    sweeping,
    trash,
)
from apps.content.services.generation import runner

_HAND_BACK_SECONDS = 10.0


@shared_task(name="content.run_generation")
def run_generation(generation_id: str) -> None:
    """Hand a generation to this process's runner; without room it stays in the queue."""
    runner.submit(uuid.UUID(generation_id))


@shared_task(name="content.sweep_generations")
def sweep_generations() -> int:
    """Start generations that wait without a worker."""
    return sweeping.sweep()


@shared_task(name="content.ingest_sources")
def ingest_sources() -> int:
    """Read the sources that wait."""
    return ingesting.ingest()


@shared_task(name="content.sweep_sources")
def sweep_sources() -> int:
    """Read sources that were left behind; bring indexes up to date."""
    return ingesting.sweep_sources()


@shared_task(name="content.make_export")
def make_export(export_id: str) -> None:
    """Write an exported file."""
    exports.make_export(uuid.UUID(export_id))


@shared_task(name="content.run_claim_check")
def run_claim_check(check_id: str) -> None:
    """Look the statements of a draft up in its sources."""
    factchecks.run_check(uuid.UUID(check_id))


@shared_task(name="content.run_publication")
def run_publication(publication_id: str) -> None:
    """Take a document to its place."""
    publishing.run_publication(uuid.UUID(publication_id))


@shared_task(name="content.sweep_publications")
def sweep_publications() -> int:
    """Wake what waits to be published or to be tried again."""
    return publishing.sweep_publications()


@shared_task(name="content.run_schedule")
def run_schedule(schedule_id: str) -> None:
    """Publish a document whose time has come."""
    releasing.run_schedule(uuid.UUID(schedule_id))


@shared_task(name="content.sweep_schedules")
def sweep_schedules() -> int:
    """Wake documents whose time has come."""
    return releasing.sweep_schedules()


@shared_task(name="content.deliver_webhook")
def deliver_webhook(delivery_id: str) -> None:
    """Send a message to a webhook."""
    deliveries.run_delivery(uuid.UUID(delivery_id))


@shared_task(name="content.sweep_webhooks")
def sweep_webhooks() -> int:
    """Wake the messages that are due."""
    return deliveries.sweep_deliveries()


@shared_task(name="content.prune_webhooks")
def prune_webhooks() -> int:
    """Remove old messages from the logs."""
    return deliveries.prune_deliveries()


@shared_task(name="content.run_import")
def run_import(import_id: str) -> None:
    """Make documents of an imported file or page."""
    importing.run_import(uuid.UUID(import_id))


@shared_task(name="content.sweep_imports")
def sweep_imports() -> int:
    """Wake imports that were left behind."""
    return importing.sweep_imports()


@shared_task(name="content.advance_outline")
def advance_outline(document_id: str) -> None:
    """Ask for the next section of a document."""
    outlines.advance_outline(uuid.UUID(document_id))


@shared_task(name="content.sweep_outlines")
def sweep_outlines() -> int:
    """Wake outlines that were left behind."""
    return outlines.sweep_outlines()


@shared_task(name="content.advance_batch")
def advance_batch(batch_id: str) -> None:
    """Ask for the next rows of a batch."""
    batch_runs.advance_batch(uuid.UUID(batch_id))


@shared_task(name="content.sweep_batches")
def sweep_batches() -> int:
    """Wake batches that were left behind."""
    return batch_runs.sweep_batches()


@shared_task(name="content.expire_exports")
def expire_exports() -> int:
    """Remove exported files whose time is over."""
    return exports.expire_exports()


@shared_task(name="content.prune_events")
def prune_events() -> int:
    """Remove the events of generations that ended long ago."""
    return sweeping.prune_events()


@shared_task(name="content.purge_trash")
def purge_trash() -> int:
    """Delete for good what has lain in the bin for too long."""
    return trash.purge_expired()


@worker_ready.connect
def _take_over(**_: Any) -> None:
    """A worker that starts where another was killed goes on with its generations and batches at once."""
    sweeping.sweep(patience=dt.timedelta(0))
    batch_runs.sweep_batches(patience=dt.timedelta(0))


@worker_shutting_down.connect
def _hand_back(**_: Any) -> None:
    """SIGTERM: give everything back while the pool still finishes its short tasks. A signal handler must not wait."""
    threading.Thread(target=runner.shutdown, args=(_HAND_BACK_SECONDS,), name="hand-back", daemon=True).start()


@worker_shutdown.connect
def _wait_for_it(**_: Any) -> None:
    """Do not end before everything is given back."""
    runner.shutdown(_HAND_BACK_SECONDS)
