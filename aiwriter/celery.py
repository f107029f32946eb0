"""The Celery application; its settings are the CELERY_… names of `aiwriter/settings.py`."""

import os
import time
from typing import Any

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from aiwriter.core import metrics

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")  # noqa: TID251

TRANSPORT_ALIASES["filesystem"] = "aiwriter.core.broker:Transport"
app = Celery("aiwriter", task_cls="aiwriter.core.pauses:PausingTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_init.connect  # type: ignore[untyped-decorator]
@signals.beat_init.connect  # type: ignore[untyped-decorator]
def _refuse_older_schema(**_: Any) -> None:
    """End a worker or a scheduler that was started before the database was migrated."""
    from aiwriter.core import schema

    if problem := schema.start_problem():
        raise SystemExit(problem)


@signals.task_prerun.connect  # type: ignore[untyped-decorator]
def _task_begins(task: Any = None, **_: Any) -> None:
    task.request.begun_at = time.perf_counter()


@signals.task_postrun.connect  # type: ignore[untyped-decorator]
def _task_ends(task: Any = None, state: str | None = None, **_: Any) -> None:
    metrics.tasks.labels(task.name, (state or "unknown").lower()).inc()
    if begun := getattr(task.request, "begun_at", None):
        metrics.task_seconds.labels(task.name).observe(time.perf_counter() - begun)
