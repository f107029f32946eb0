"""Celery entrances."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.monitoring.services import alerting, error_intake, report_sending, reports, results, telling


@shared_task(name="monitoring.run_health_checks", bind=True, time_limit=120, soft_time_limit=110)
def run_health_checks(self: Any) -> None:
    """Show that this worker lives, and the scheduler if it was the one who asked; look when no watch does."""
    results.beat("worker")
    if getattr(self.request, "periodic_task_name", None):
        results.beat("scheduler")
    if not results.is_watched():
        results.run_due_checks()
        error_intake.take_in()
        alerting.evaluate()
        telling.deliver_due()
        report_sending.send_due()


@shared_task(name="monitoring.prune_history", time_limit=300)
def prune_history() -> None:
    """Drop old history."""
    results.prune_history()
    telling.prune_alerts()
    error_intake.prune_errors()
    reports.prune_reports()
