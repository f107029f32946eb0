"""Keeps questions to the log, and removes what is older than it may be."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from aiwriter.core import logfiles
from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.monitoring.models import LogQuery
from apps.monitoring.selectors.logs import FILTERS, search_logs
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

MOST = 100


def keep_query(*, actor: Actor, name: str, values: Mapping[str, str]) -> LogQuery:
    """Keep a question under a name.

    Args:
        actor: needs "monitoring.manage".
        name: unique.
        values: filters of `search_logs`; a cursor is none.

    Raises:
        PermissionDenied, InvalidInput, Conflict: it cannot be kept.
    """
    require(actor, "monitoring.manage")
    cleaned = " ".join(str(name).split())
    if not 1 <= len(cleaned) <= 80:
        raise InvalidInput("The name has to have 1 to 80 characters.", field="name", remedy="Choose a short name.")
    kept = {key: str(value).strip()[:200] for key, value in values.items() if key in FILTERS and str(value).strip()}
    search_logs(actor, kept, limit=1)  # what cannot be asked is not kept
    if LogQuery.objects.filter(name=cleaned).exists():
        raise Conflict("There is a question of this name.", field="name", remedy="Choose another one.")
    if LogQuery.objects.count() >= MOST:
        raise Conflict("There are a hundred questions.", field="name", remedy="Remove one that nobody asks.")
    with transaction.atomic():
        row = LogQuery.objects.create(name=cleaned, values=kept, author=actor.label)
        record(actor, "log_query.created", obj=row, after={"filters": kept})
    return row


def drop_query(*, actor: Actor, query_id: uuid.UUID | str) -> None:
    """Remove a question.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
    """
    require(actor, "monitoring.manage")
    row = LogQuery.objects.filter(pk=query_id).first()
    if row is None:
        raise NotFound("There is no such question.")
    with transaction.atomic():
        record(actor, "log_query.deleted", obj=row, before={"filters": row.values})
        row.delete()


def prune_logs() -> int:
    """Remove files of the log that are older than their days, or too large together.

    Returns:
        how many.
    """
    folder = settings.DATA_DIR / "logs"
    gone = logfiles.remove_old(folder, days=settings.LOG_DAYS, megabytes=settings.LOG_MEGABYTES, now=timezone.now())
    return len(gone)
