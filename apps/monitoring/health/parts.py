"""Checks of what every installation has: database, migrations, worker, scheduler, schedules, jobs, broker, mail."""

from __future__ import annotations

import datetime as dt
import smtplib
import time
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.core.mail import get_connection
from django.db import connection
from django.db.models import Count, Min, Q
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from aiwriter.core import redis_addresses, schema
from aiwriter.core.leases import LeasedJob
from apps.monitoring.models import Heartbeat
from apps.monitoring.services.checks import Result, check

SLOW_DATABASE_SECONDS = 0.5
SILENT = dt.timedelta(seconds=60)
JOB_OLD = dt.timedelta(minutes=5)
LOST = dt.timedelta(minutes=2)
MANY_MESSAGES = 500


# Every few seconds, so that a frozen database shows within six: 3 until the next look, 2.5 until it is given up.
@check("database", title="Database", interval=3, deadline=2.5, severity="required")
def database() -> Result:
    """Whether a query is answered, and how fast."""
    begun = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    took = time.monotonic() - begun
    data = {"latency_seconds": round(took, 4)}
    if connection.vendor == "sqlite" and (wal := Path(f"{connection.settings_dict['NAME']}-wal")).exists():
        data["wal_bytes"] = wal.stat().st_size
    if took > SLOW_DATABASE_SECONDS:
        return Result(
            status="warn",
            message=f"A trivial query took {took * 1000:.0f} ms.",
            remedy="Look for long transactions, a full connection pool, or a busy disk.",
            data=data,
        )
    return Result(status="ok", message=f"Answers in {took * 1000:.0f} ms.", data=data)


@check("migrations", title="Migrations", interval=300, deadline=10, severity="required")
def migrations() -> Result:
    """Whether the database has the tables that this version needs."""
    found = schema.standing()
    if found.missing:
        return Result(
            status="fail",
            message=f"{len(found.missing)} are not applied: {schema.named(found.missing)}.",
            remedy="Run `manage.py migrate`, or restart the portal, which does it.",
            data={"missing": len(found.missing)},
        )
    if found.newer:
        # Ready all the same: this is how the version before stands there after a roll-out was taken back.
        message = f"The database is ahead of this version: {schema.named(found.newer)}."
        return Result(status="ok", message=message, data={"newer": len(found.newer)})
    if found.waiting:
        message = f"{len(found.waiting)} wait until the version before has gone: {schema.named(found.waiting)}."
        return Result(status="ok", message=message, data={"waiting": len(found.waiting)})
    return Result(status="ok", message="All are applied.")


@check("worker", title="Worker", interval=15, deadline=5)
def worker() -> Result:
    """Whether a worker does the jobs."""
    return _alive("worker", "Jobs wait until one runs: start it, or look at its log.")


@check("scheduler", title="Scheduler", interval=15, deadline=5)
def scheduler() -> Result:
    """Whether the scheduler sends its tasks."""
    return _alive("scheduler", "Sweeps and checks wait until it runs: start it, or look at its log.")


@check("watch", title="Watch", interval=15, deadline=5)
def watch() -> Result:
    """Whether a process of its own runs the checks; without one a worker does, less often."""
    return _alive("watch", "A worker runs the checks meanwhile: start the watch (manage.py watch), or look at its log.")


def _alive(part: str, remedy: str) -> Result:
    newest = Heartbeat.objects.filter(part=part).order_by("-beat_at").first()
    if newest is None:
        return Result(status="warn", message=f"No {part} has reported yet.", remedy=remedy)
    age = timezone.now() - newest.beat_at
    data = {"age_seconds": round(age.total_seconds(), 1)}
    if age > SILENT:
        silent = f"The last sign of life came from {newest.node}, {age.total_seconds():.0f} s ago."
        return Result(status="warn", message=silent, remedy=remedy, data=data)
    return Result(status="ok", message=f"Reported {age.total_seconds():.0f} s ago from {newest.node}.", data=data)


@check("schedules", title="Scheduled tasks", interval=60, deadline=5)
def schedules() -> Result:
    """Whether everything on the schedule was sent when it was due."""
    now = timezone.now()
    late = []
    tasks = PeriodicTask.objects.filter(enabled=True, interval__isnull=False).select_related("interval")
    for task in tasks:
        if task.last_run_at is None:
            continue
        every = task.interval.schedule.run_every
        # Three turns and a minute: after a restart the scheduler takes up what is left one after the other.
        if now - task.last_run_at > every * 3 + dt.timedelta(seconds=60):
            late.append((task.name, now - task.last_run_at))
    data = {"late": float(len(late)), "tasks": float(len(tasks))}
    if late:
        name, age = max(late, key=lambda each: each[1])
        return Result(
            status="warn",
            message=f"{len(late)} of {len(tasks)} are late; {name} was last sent {age.total_seconds() / 60:.0f} min ago.",
            remedy="Look whether the scheduler runs, and at its log.",
            data=data,
        )
    return Result(status="ok", message=f"All {len(tasks)} are sent in time.", data=data)


@check("jobs", title="Waiting jobs", interval=30, deadline=5)
def jobs() -> Result:
    """How many jobs of every kind wait, for how long, and whether one is held by a worker that is gone."""
    now = timezone.now()
    data: dict[str, float] = {}
    old: list[str] = []
    for model in apps.get_models():
        if not issubclass(model, LeasedJob):
            continue
        waiting = model.waiting(now)
        retried = any(field.name == "next_try_at" for field in model._meta.concrete_fields)
        since = "next_try_at" if retried else "queued_at"
        found = model._default_manager.aggregate(
            waiting=Count("pk", filter=waiting),
            oldest=Min(since, filter=waiting),
            lost=Count("pk", filter=Q(state__in=model.HELD_STATES, lease_until__lt=now - LOST)),
        )
        name = model._meta.model_name
        age = (now - found["oldest"]).total_seconds() if found["oldest"] else 0.0
        data[f"{name}_waiting"] = float(found["waiting"])
        if age > JOB_OLD.total_seconds():
            old.append(f"{found['waiting']} {model._meta.verbose_name_plural} ({age / 60:.0f} min)")
        if found["lost"]:
            old.append(f"{found['lost']} {model._meta.verbose_name_plural} without a worker")
    if old:
        return Result(
            status="warn",
            message=f"Waiting for long: {', '.join(str(each) for each in old[:5])}.",
            remedy="Look whether worker and scheduler run; the scheduler gives lost jobs to another worker.",
            data=data,
        )
    return Result(status="ok", message=f"{sum(data.values()):.0f} jobs wait, none for long.", data=data)


@check("broker", title="Task queue", interval=30, deadline=5)
def broker() -> Result:
    """Whether messages can be sent to workers."""
    url = settings.CELERY_BROKER_URL
    if redis_addresses.is_redis(url):
        import redis  # here: 9 MB, and a portal on SQLite needs none of it

        begun = time.monotonic()
        client = redis_addresses.of_broker(url, settings.CELERY_BROKER_TRANSPORT_OPTIONS, seconds=3)
        try:
            depth = float(client.llen(settings.CELERY_TASK_DEFAULT_QUEUE))
        except redis.RedisError as error:
            return Result(
                status="fail",
                message=f"Redis does not answer: {type(error).__name__}.",
                remedy="Start Redis, or look at its log. Jobs wait as rows and nothing is lost; sweepers find them.",
            )
        finally:
            client.close()
        took = time.monotonic() - begun
        return Result(
            status="ok",
            message=f"Redis answers in {took * 1000:.0f} ms; {depth:.0f} messages wait.",
            data={"latency_seconds": round(took, 4), "messages": depth},
        )
    if not url.startswith("filesystem"):
        return Result(status="ok", message="Messages wait in memory.")
    folder = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])
    try:
        waiting = float(sum(1 for _ in folder.iterdir()))
    except OSError as error:
        return Result(
            status="fail",
            message=f"The folder of messages cannot be read: {error.strerror}.",
            remedy=f"Give the portal's user the right to {folder}. Jobs wait as rows; nothing is lost.",
        )
    data = {"messages": waiting}
    if waiting > MANY_MESSAGES:
        return Result(
            status="warn",
            message=f"{waiting:.0f} messages wait in the folder.",
            remedy="Look whether a worker runs; see the check of the worker.",
            data=data,
        )
    return Result(status="ok", message=f"{waiting:.0f} messages wait in the folder.", data=data)


@check("cache", title="Cache", interval=60, deadline=5)
def cache_round_trip() -> Result:
    """Whether what is put into the cache comes out again; limits of sign-in depend on it."""
    word = f"{time.time()}"
    cache.set("health", word, 60)
    if cache.get("health") != word:
        return Result(
            status="fail", message="What was put in did not come out.", remedy="Run `manage.py createcachetable`."
        )
    cache.delete("health")
    return Result(status="ok", message="What is put in comes out.")


@check("mail", title="Mail server", interval=300, deadline=15)
def mail() -> Result:
    """Whether the mail server takes a connection. No mail is sent."""
    if not settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return Result(status="ok", message="None is set up; mails are written to a folder.")
    sender: Any = get_connection(fail_silently=False, timeout=10)
    try:
        sender.open()
        code, _ = sender.connection.noop()
    except (OSError, smtplib.SMTPException) as error:
        return Result(
            status="fail",
            message=f"{settings.EMAIL_HOST} does not take mail: {type(error).__name__}.",
            remedy="Check EMAIL_URL, and whether the server can be reached from here.",
        )
    finally:
        sender.close()
    if code != 250:
        return Result(status="warn", message=f"{settings.EMAIL_HOST} answered {code}.", remedy="Look at its log.")
    return Result(status="ok", message=f"{settings.EMAIL_HOST} answers.")
