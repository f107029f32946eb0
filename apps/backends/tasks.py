"""Celery entrances."""

from __future__ import annotations

from celery import shared_task

from apps.backends.services import garbage, metering


@shared_task(name="backends.collect_garbage", time_limit=840, soft_time_limit=800)
def collect_garbage() -> None:
    """Collect bytes that no file refers to."""
    garbage.collect_garbage()


@shared_task(name="backends.settle_abandoned_calls", time_limit=120, soft_time_limit=100)
def settle_abandoned_calls() -> None:
    """Settle model calls whose process is gone."""
    metering.settle_abandoned_calls()
