"""What is planned and what went out, day by day."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import Q

from aiwriter.core.errors import InvalidInput
from apps.content.models import Document, Publication, Schedule
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of

LONGEST = dt.timedelta(days=100)
MOST = 500
# What is published at its time and the row of that time are written in one transaction.
_SAME = dt.timedelta(seconds=60)
_PLANNED = (Schedule.State.QUEUED, Schedule.State.RUNNING, Schedule.State.FAILED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing at one time.

    Args:
        at: when.
        kind: "scheduled", "published", "failed" (it was to be published and was not) or "outside" (a place outside makes
            it public at that time by itself).
        document_id: which document.
        title: of the document.
        version: number of the version.
        place: name of the place outside; "" for the portal.
    """

    at: dt.datetime
    kind: str
    document_id: uuid.UUID
    title: str
    version: int
    place: str = ""


def calendar(*, actor: Actor, start: dt.datetime, end: dt.datetime, workspace: Workspace | None = None) -> list[Entry]:
    """Everything from a time to another, in order, at most 500 entries.

    Args:
        actor: who reads.
        start: the first moment, with a time zone.
        end: behind the last moment; at most 100 days later.
        workspace: only this one.

    Raises:
        PermissionDenied: the actor reads nowhere.
        InvalidInput: the times cannot be used.
    """
    require(actor, "content.read", workspace=workspace)
    if not dt.timedelta(0) < end - start <= LONGEST:
        raise InvalidInput(
            "The end is not after the start, or more than 100 days later.",
            field="end",
            remedy=f"Ask for at most {LONGEST.days} days.",
        )
    rooms = [workspace.pk] if workspace else list(workspaces_of(actor).order_by().values_list("pk", flat=True))
    kept = Q(workspace_id__in=rooms, document__deleted_at__isnull=True)
    planned = Schedule.objects.filter(kept, publish_at__gte=start, publish_at__lt=end, state__in=_PLANNED)
    done = Schedule.objects.filter(kept, finished_at__gte=start, finished_at__lt=end, state=Schedule.State.DONE)
    out = Document.objects.kept().filter(workspace_id__in=rooms, published_at__gte=start, published_at__lt=end)
    outside = Publication.objects.filter(kept, wish="schedule", publish_at__gte=start, publish_at__lt=end)
    outside = outside.exclude(state=Publication.State.WITHDRAWN)
    entries = [
        Entry(at, "failed" if state == Schedule.State.FAILED else "scheduled", document, title, number)
        for at, state, document, title, number in planned.order_by("publish_at", "id").values_list(
            "publish_at", "state", "document_id", "document__title", "version__number"
        )[:MOST]
    ]
    went = [
        Entry(at, "published", document, title, number or 0)
        for at, document, title, number in out.order_by("published_at", "id").values_list(
            "published_at", "id", "title", "published_version__number"
        )[:MOST]
        if at is not None
    ]
    # A document remembers when it was published last; each time that was set for it stays as a row of its own.
    kept_times = {(entry.document_id, entry.version): entry.at for entry in went}
    went += [
        Entry(at, "published", document, title, number)
        for at, document, title, number in done.order_by("finished_at", "id").values_list(
            "finished_at", "document_id", "document__title", "version__number"
        )[:MOST]
        if at is not None
        and abs(kept_times.get((document, number), dt.datetime.min.replace(tzinfo=dt.UTC)) - at) > _SAME
    ]
    entries += went
    entries += [
        Entry(at, "outside", document, title, number, place)
        for at, document, title, number, place in outside.order_by("publish_at", "id").values_list(
            "publish_at", "document_id", "document__title", "version__number", "target__name"
        )[:MOST]
        if at is not None
    ]
    return sorted(entries, key=lambda entry: (entry.at, str(entry.document_id)))[:MOST]
