"""The Celery application; its settings are the CELERY_… names of `aiwriter/settings.py`."""

import os
import time
from typing import Any

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from aiwriter.core import alone, captures, context, memory, metrics, tracing
from aiwriter.core.process import is_scheduler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")  # noqa: TID251
# Django's checks are done when the portal is prepared. Here they would import every page of it: 35 MB in worker and scheduler.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # noqa: TID251

TRANSPORT_ALIASES["filesystem"] = "aiwriter.core.broker:Transport"
app = Celery("aiwriter", task_cls="aiwriter.core.pauses:PausingTask", fixups=["aiwriter.core.job_connections:fixup"])
app.config_from_object("django.conf:settings", namespace="CELERY")
# The scheduler sends tasks by their names and runs none: their modules are 40 MB.
if not is_scheduler():
    app.autodiscover_tasks()


@signals.worker_init.connect  # type: ignore[untyped-decorator]
@signals.beat_init.connect  # type: ignore[untyped-decorator]
def _refuse_older_schema(**_: Any) -> None:
    """End a worker or a scheduler that was started before the database was migrated."""
    from aiwriter.core import schema

    if problem := schema.start_problem():
        raise SystemExit(problem)


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _look_after_itself(**_: Any) -> None:
    memory.stay_small()
    alone.begin()
    tracing.begin("worker")


@signals.before_task_publish.connect  # type: ignore[untyped-decorator]
def _task_is_sent(headers: Any = None, **_: Any) -> None:
    # The request that asked for it: what goes wrong in a worker can be followed back to a person's click.
    if isinstance(headers, dict) and (request_id := context.request_id.get()):
        headers["asked_by"] = request_id
    if isinstance(headers, dict) and (traceparent := tracing.traceparent()):
        headers["traceparent"] = traceparent


def _header(task: Any, name: str) -> str:
    return str(getattr(task.request, name, None) or (task.request.headers or {}).get(name) or "")


@signals.task_prerun.connect  # type: ignore[untyped-decorator]
def _task_begins(task: Any = None, **_: Any) -> None:
    context.request_id.set(context.accept_request_id(_header(task, "asked_by") or str(task.request.id or "")))
    context.actor_id.set("")
    context.workspace_id.set("")
    context.trace_id.set("")
    task.request.span = tracing.span(task.name, kind="CONSUMER", traceparent=_header(task, "traceparent"))
    task.request.traced = task.request.span.__enter__()
    if task.request.traced:
        task.request.traced.set_attributes({"messaging.system": "celery", "messaging.operation.type": "process"})
    captures.refresh()
    task.request.begun_at = time.perf_counter()


@signals.task_postrun.connect  # type: ignore[untyped-decorator]
def _task_ends(task: Any = None, state: str | None = None, **_: Any) -> None:
    metrics.tasks.labels(task.name, (state or "unknown").lower()).inc()
    if span := getattr(task.request, "span", None):
        if state == "FAILURE" and task.request.traced:
            task.request.traced.set_attribute("error.type", "task_failed")
        span.__exit__(None, None, None)
    if begun := getattr(task.request, "begun_at", None):
        metrics.task_seconds.labels(task.name).observe(time.perf_counter() - begun)
