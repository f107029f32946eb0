"""Documents out to readers: at once, at a time, and back again."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import AppError, Conflict, InvalidInput
from aiwriter.core.queue import enqueue
from apps.content.models import Document, DocumentVersion, Publication, Schedule, WritingSettings
from apps.content.selectors.documents import get_document
from apps.content.selectors.organising import writing_settings
from apps.content.services import lifecycle, publishing
from apps.content.services.documents import lock_document
from apps.content.services.manuscripts import version_of
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.notifications import notify

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=60)
MAX_ATTEMPTS = 5
LONGEST_WAIT = dt.timedelta(days=5 * 366)
_State = Schedule.State


def publish(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    version: int | None = None,
    revision: int | None = None,
    places: Sequence[Mapping[str, Any]] = (),
) -> Document:
    """Publish a version: it is the published one until another is published, whatever is written meanwhile.

    Args:
        actor: who writes.
        document_id: which document.
        version: its number; None: the approved one, or the present text where no approval is needed.
        revision: the revision that the actor has seen; None takes it as it is.
        places: where it is taken to as well, each with `target_id` and, if wanted, `categories`, `tags`, `with_sources`.

    Raises:
        NotFound, PermissionDenied: document, version or place are not the actor's.
        StaleRevision: somebody else saved in between.
        Conflict: the version is not approved, or published already.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    wanted = publishing.checked_places(places)
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        chosen = _chosen(document, version)
        if not lifecycle.mark_published(document, chosen, actor=actor):
            raise Conflict("This version is published already.", remedy="Approve a newer one, or take this one back.")
        for place in wanted:
            publishing.publish_document(actor=actor, document_id=document.pk, version=str(chosen.number), **place)
        lifecycle.tell_owner(actor, document, "document.published", _("“%(title)s” is published."))
    document.refresh_from_db()
    return document


def unpublish(*, actor: Actor, document_id: uuid.UUID | str) -> Document:
    """Take a document back: no version is published any more, and places outside are told to take it down.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        Conflict: nothing is published, or it is on its way to a place at this moment.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.pk, None)
        if document.published_version_id is None:
            raise Conflict("Nothing of this document is published.", remedy="Look at the document again.")
        number = document.published_version.number if document.published_version else 0
        was_approved = document.approved_version_id == document.published_version_id
        document.published_version, document.published_at = None, None
        before = lifecycle.move(document, "unpublish")
        lifecycle.keep(document, "published_version", "published_at")
        public = Publication.objects.filter(document=document, wish__in=("publish", "schedule"))
        for row in public.exclude(state=Publication.State.WITHDRAWN):
            publishing.withdraw(actor=actor, publication_id=row.pk)
        record(
            actor,
            "document.unpublished",
            obj=document,
            before={"status": before, "version": number},
            after={"status": document.status, "approved": was_approved},
        )
    return document


def schedule(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    publish_at: dt.datetime,
    version: int | None = None,
    revision: int | None = None,
    places: Sequence[Mapping[str, Any]] = (),
) -> Schedule:
    """Have a version published at a time. An earlier time of the document is replaced.

    Args:
        actor: who writes.
        document_id: which document.
        publish_at: with a time zone, in the future.
        version, revision, places: as for `publish`.

    Raises:
        NotFound, PermissionDenied: document, version or place are not the actor's.
        InvalidInput: the time cannot be used.
        StaleRevision: somebody else saved in between.
        Conflict: the version is not approved, or it is being published at this moment.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    _check_time(publish_at)
    wanted = publishing.checked_places(places)
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        chosen = _chosen(document, version)
        if document.published_version_id == chosen.pk:
            raise Conflict("This version is published already.", remedy="Approve a newer one first.")
        if Schedule.objects.filter(document=document, state=_State.RUNNING).exists():
            raise Conflict("It is being published at this moment.", remedy="Wait a moment, then look again.")
        before = lifecycle.move(document, "schedule")
        lifecycle.pin(chosen)
        lifecycle.cancel_schedule(document)
        document.scheduled_at = publish_at
        lifecycle.keep(document, "scheduled_at")
        row = Schedule.objects.create(
            workspace_id=document.workspace_id,
            document=document,
            version=chosen,
            publish_at=publish_at,
            places=wanted,
            requested_by=actor.user,
        )
        record(
            actor,
            "document.scheduled",
            obj=document,
            before={"status": before},
            after={"status": document.status, "version": chosen.number, "publish_at": publish_at},
        )
    return row


def unschedule(*, actor: Actor, document_id: uuid.UUID | str) -> Document:
    """Take the time back that a document waits for.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        Conflict: it waits for none, or it is being published at this moment.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.pk, None)
        if Schedule.objects.filter(document=document, state=_State.RUNNING).exists():
            raise Conflict("It is being published at this moment.", remedy="Wait a moment, then look again.")
        before = lifecycle.move(document, "unschedule")
        lifecycle.cancel_schedule(document)
        lifecycle.keep(document, "scheduled_at")
        record(
            actor,
            "document.unscheduled",
            obj=document,
            before={"status": before},
            after={"status": document.status},
        )
    return document


def sweep_schedules(limit: int = 100) -> int:
    """Wake what is due: its time has come, or its worker died. Returns how many."""
    ids = list(Schedule.objects.due().order_by("publish_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.run_schedule", schedule_id=str(each))
    return len(ids)


def run_schedule(schedule_id: uuid.UUID) -> None:
    """Publish what is due. Quiet when it is not, when it was taken back, or when somebody else is at it.

    Everything happens in one transaction with the row's own last state: a worker that dies leaves it undone as a whole,
    and the next one does it once.
    """
    if not Schedule.objects.due().filter(pk=schedule_id).exists():
        return
    fence = Schedule.objects.claim(schedule_id, lease=LEASE, to_state=_State.RUNNING)
    if fence is None:
        return
    row = Schedule.objects.select_related("version", "requested_by").get(pk=schedule_id)
    try:
        with transaction.atomic():
            problems = _release(row, fence)
    except AppError as error:
        _fail(row, fence, error.message, error.remedy)
    except Exception:
        logger.exception("Schedule %s failed", schedule_id)
        # The lease runs out and it is tried again; a fault that stays is told in the end.
        if row.attempts >= MAX_ATTEMPTS:
            _fail(row, fence, _("Something went wrong on the server."), _("Publish it by hand, or tell the operator."))
    else:
        if problems:
            _tell(row, _("“%(title)s” is published, but not everywhere."), " ".join(problems))


def _release(row: Schedule, fence: int) -> list[str]:
    """Publish, in the caller's transaction; returns what went wrong at places outside."""
    document = Document.objects.select_for_update(of=("self",)).get(pk=row.document_id)
    now = timezone.now()
    done = Schedule.objects.held(row.pk, fence=fence).update(state=_State.DONE, lease_until=None, finished_at=now)
    if not done:
        return []
    if document.deleted_at is not None:
        raise Conflict(_("The document lies in the bin."), remedy=_("Take it out of the bin and schedule it again."))
    if document.status != Document.Status.SCHEDULED:
        raise Conflict(_("The document is not scheduled any more."), remedy=_("Look at its status."))
    lifecycle.mark_published(document, row.version, actor=Actor.system_actor("schedule"))
    actor = Actor.for_user(row.requested_by) if row.requested_by else Actor.system_actor("schedule")
    problems = []
    for place in row.places:
        try:
            with transaction.atomic():
                publishing.publish_document(
                    actor=actor, document_id=document.pk, version=str(row.version.number), **place
                )
        except AppError as error:
            problems.append(f"{error.message} {error.remedy}".strip())
    if row.requested_by is not None:
        link = reverse("content:status", args=[document.pk])
        title = _("“%(title)s” is published.") % {"title": document.title[:120]}
        notify(row.requested_by, "document.published", title, "", link)
    return problems


def _fail(row: Schedule, fence: int, error: str, remedy: str) -> None:
    with transaction.atomic():
        document = Document.objects.select_for_update(of=("self",)).get(pk=row.document_id)
        held = Schedule.objects.held(row.pk, fence=fence)
        now = timezone.now()
        if not held.update(state=_State.FAILED, lease_until=None, finished_at=now, error=error, remedy=remedy):
            return
        if document.status == Document.Status.SCHEDULED:
            lifecycle.move(document, "unschedule")
            document.scheduled_at = None
            lifecycle.keep(document, "scheduled_at")
    _tell(row, _("“%(title)s” could not be published at its time."), f"{error} {remedy}")


def _tell(row: Schedule, title: str, body: str) -> None:
    if row.requested_by is not None:
        link = reverse("content:status", args=[row.document_id])
        said = title % {"title": row.document.title[:100]}
        notify(row.requested_by, "document.schedule_failed", said, body, link)


def _chosen(document: Document, version: int | None) -> DocumentVersion:
    """The version to go out, once its workspace's rule has been asked."""
    if version is not None:
        chosen = version_of(document, str(version))
    else:
        free = writing_settings(document.workspace_id).approval == WritingSettings.Approval.NONE
        approved = None if free else document.approved_version
        chosen = approved or version_of(document, "current")
    lifecycle.require_cleared(document, chosen)
    return chosen


def _check_time(publish_at: dt.datetime) -> None:
    now = timezone.now()
    if timezone.is_naive(publish_at):
        raise InvalidInput(
            "The time has no time zone.", field="publish_at", remedy="Send one such as 2026-12-01T09:00:00Z."
        )
    if not now < publish_at < now + LONGEST_WAIT:
        raise InvalidInput(
            "The time is over, or more than five years away.",
            field="publish_at",
            remedy="Choose a time in the future, or publish at once.",
        )


def schedule_waiting(document: Document) -> Schedule | None:
    """The time that a document waits for, if it does."""
    waiting = Q(state__in=(_State.QUEUED, _State.RUNNING))
    return Schedule.objects.filter(waiting, document=document).select_related("version").first()
