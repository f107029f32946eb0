"""Health checks of the writers' work: the vector store and the queue."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from aiwriter.core.errors import Unavailable
from apps.content.models import EmbeddingIndex, Generation, Source
from apps.content.retrieval import store
from apps.content.retrieval.chroma import ChromaError
from apps.monitoring.services.checks import Result, check

SLOW_START = dt.timedelta(seconds=30)
STUCK = dt.timedelta(minutes=5)


@check("vector_store", title="Vector store", interval=30, deadline=5)
def vector_store() -> Result:
    """Whether the vector store answers and holds what the database holds; exact search stands in when it does not."""
    indexes = list(EmbeddingIndex.objects.all())
    vectors = sum(each.vectors_count for each in indexes)
    behind = sum(1 for each in indexes if each.revision != each.indexed_revision)
    data = {"vectors": float(vectors), "indexes_behind": float(behind)}
    if not settings.AIWRITER_CHROMA_URL:
        return Result(
            status="ok", message=f"None is configured; exact search answers over {vectors:,} vectors.", data=data
        )
    try:
        seconds = store.client().heartbeat()
    except (ChromaError, Unavailable):
        return Result(
            status="warn",
            message="It does not answer; exact search stands in, which is slower on large collections.",
            remedy="Look at the log of the vector store; the supervisor starts it again by itself.",
            data=data,
        )
    data["latency_seconds"] = round(seconds, 4)
    broken = [each for each in indexes if each.state == EmbeddingIndex.State.BROKEN]
    if broken:
        return Result(
            status="warn",
            message=f"{len(broken)} of {len(indexes)} indexes are broken: {broken[0].error[:200]}",
            remedy="They are built anew from the database by themselves; if that does not happen, see the worker's log.",
            data=data,
        )
    waiting = f", {behind} catching up" if behind else ""
    message = f"Answers in {seconds * 1000:.0f} ms; {vectors:,} vectors in {len(indexes)} indexes{waiting}."
    return Result(status="ok", message=message, data=data)


@check("queue", title="Queue", interval=15, deadline=5)
def queue() -> Result:
    """How many jobs wait, and for how long the oldest has."""
    now = timezone.now()
    generations = Generation.objects.aggregate(
        waiting=Count("pk", filter=Q(state="queued")),
        running=Count("pk", filter=Q(state__in=Generation.HELD_STATES)),
        oldest=Min("queued_at", filter=Q(state="queued")),
    )
    sources = Source.objects.aggregate(
        waiting=Count("pk", filter=Q(state="pending")), oldest=Min("queued_at", filter=Q(state="pending"))
    )
    age = _age(now, generations["oldest"])
    source_age = _age(now, sources["oldest"])
    data = {
        "generations_waiting": float(generations["waiting"]),
        "generations_running": float(generations["running"]),
        "oldest_generation_seconds": round(age.total_seconds(), 1),
        "sources_waiting": float(sources["waiting"]),
        "oldest_source_seconds": round(source_age.total_seconds(), 1),
    }
    message = (
        f"{generations['running']} generations are being written, {generations['waiting']} wait; "
        f"{sources['waiting']} sources wait to be read."
    )
    if age > STUCK:
        return Result(
            status="fail",
            message=f"{message} The oldest has waited for {age.total_seconds() / 60:.0f} minutes.",
            remedy="Is a worker running? See the check of the worker. If one is, raise AIWRITER_MAX_GENERATIONS.",
            data=data,
        )
    if age > SLOW_START:
        return Result(
            status="warn",
            message=f"{message} The oldest has waited for {age.total_seconds():.0f} s.",
            remedy="Start more workers, or raise AIWRITER_MAX_GENERATIONS.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)


def _age(now: dt.datetime, since: dt.datetime | None) -> dt.timedelta:
    return now - since if since else dt.timedelta(0)
