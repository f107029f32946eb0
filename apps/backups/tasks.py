"""Celery entrances. The work itself runs in children of the worker: see `services/jobs.py`."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.backups.services import backups, delegates, jobs, pauses, restores, schedules


@shared_task(name="backups.work", time_limit=60, soft_time_limit=50)
def work(kind: str, job_id: str) -> bool:
    """Start a child process for a run, a drill or a restore."""
    return jobs.spawn(kind, uuid.UUID(job_id))


@shared_task(name="backups.start_due", time_limit=60, soft_time_limit=50)
def start_due() -> int:
    """Start what the schedules want now, and wake what was left behind."""
    return schedules.start_due() + jobs.sweep() + pauses.release_orphaned()


@shared_task(name="backups.clear_scratch", time_limit=300, soft_time_limit=280)
def clear_scratch() -> int:
    """Remove what killed processes left behind, and databases of before whose time to undo is over."""
    return backups.clear_scratch() + restores.clear_before()


@shared_task(name="backups.watch_delegates", time_limit=600, soft_time_limit=580)
def watch_delegates() -> int:
    """Ask the tools that make backups besides us."""
    return delegates.look_at_all()
