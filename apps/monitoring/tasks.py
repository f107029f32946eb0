"""Celery entrances."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.monitoring.services import results


@shared_task(name="monitoring.run_health_checks", bind=True, time_limit=120, soft_time_limit=110)
def run_health_checks(self: Any) -> None:
    """Show that this worker lives, and the scheduler if it was the one who asked; run the checks that are due."""
    results.beat("worker")
    if getattr(self.request, "periodic_task_name", None):
        results.beat("scheduler")
    results.run_due_checks()


@shared_task(name="monitoring.prune_history", time_limit=300)
def prune_history() -> None:
    """Drop old history."""
    results.prune_history()
