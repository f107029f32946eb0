"""Celery entrances of the app."""

from __future__ import annotations

from celery import shared_task

from apps.users.services import idempotency, limits


@shared_task(name="users.prune_idempotency")
def prune_idempotency() -> None:
    """Forget answers that no client will ask for again."""
    idempotency.prune()


@shared_task(name="users.prune_rate_limits")
def prune_rate_limits() -> None:
    """Forget callers who have not asked for an hour."""
    limits.prune()
