"""Celery entrances."""

from __future__ import annotations

from celery import shared_task

from apps.deployments.services import experiments, flag_rollouts, scaling


@shared_task(name="deployments.look_after_flags", time_limit=120, soft_time_limit=110)
def look_after_flags() -> int:
    """Judge the roll-outs of flags that are under way."""
    return flag_rollouts.look_after()


@shared_task(name="deployments.look_after_experiments", time_limit=300, soft_time_limit=290)
def look_after_experiments() -> int:
    """Conclude experiments that have reached their size."""
    return experiments.look_after()


@shared_task(name="deployments.forget_scaling", time_limit=300, soft_time_limit=290)
def forget_scaling() -> int:
    """Remove what agents told of more than two weeks ago."""
    return scaling.forget_old()
