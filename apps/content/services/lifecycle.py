"""The way of a document through review and approval to readers.

Each step follows `TRANSITIONS` under the lock of the document's row. A version that somebody reads, approves or publishes
is pinned in the same moment: automatic saving begins a new version instead of growing it, so nobody approves words that
were typed after they had read. Steps that go out of the portal are in `services.releasing`.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.content.markup.markdown import clean_text
from apps.content.models import Document, DocumentVersion, ReviewRequest, Schedule, WritingSettings
from apps.content.models.lifecycle import RESTS, TRANSITIONS
from apps.content.selectors.documents import get_document
from apps.content.selectors.lifecycle import approving_capability, is_cleared
from apps.content.selectors.organising import writing_settings
from apps.content.services.documents import lock_document
from apps.content.services.manuscripts import version_of
from apps.content.services.withholding import withhold
from apps.users.models import User
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.notifications import notify

Status = Document.Status
MAX_NOTE = 2000


def submit(*, actor: Actor, document_id: uuid.UUID | str, revision: int | None = None, note: str = "") -> Document:
    """Hand the present text in for review.

    Args:
        actor: who writes.
        document_id: which document.
        revision: the revision that the actor has seen; None takes it as it is.
        note: for the reviewers.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        StaleRevision: somebody else saved in between.
        Conflict: it is in review already, or this text is approved.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        version = version_of(document, "current")
        if version.pk in (document.approved_version_id, document.published_version_id):
            raise Conflict("This text is approved already.", remedy="Change it first, or publish it.")
        before = move(document, "submit")
        pin(version)
        document.review_version = version
        keep(document, "review_version")
        record(
            actor,
            "document.submitted",
            obj=document,
            reason=said(note),
            before={"status": before},
            after={"status": document.status, "version": version.number},
        )
    return document


def approve(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    version: int | None = None,
    revision: int | None = None,
    note: str = "",
) -> Document:
    """Approve a version. It stays the approved one, whatever is written after it.

    Args:
        actor: an editor; where the workspace needs no approval, whoever writes.
        document_id: which document.
        version: its number; None: the one under review, else the present one.
        revision: the revision that the actor has seen; None takes it as it is.
        note: for the writer.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to approve, or it is their own text where the
            workspace wants a second pair of eyes.
        StaleRevision: somebody else saved in between.
        Conflict: it is approved already, or its status does not allow it.
    """
    found = get_document(actor=actor, document_id=document_id)
    rule = writing_settings(found.workspace_id).approval
    require(actor, approving_capability(rule), workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        reviewed = document.review_version if document.status == Status.IN_REVIEW else None
        chosen = reviewed if version is None and reviewed else version_of(document, str(version or "current"))
        if document.approved_version_id == chosen.pk:
            raise Conflict("This version is approved already.", field="version", remedy="Publish or schedule it.")
        if not may_approve_own(actor.user_id, document, chosen):
            raise PermissionDenied(
                "You have written on this text yourself.", remedy="Ask another editor of the workspace to approve it."
            )
        settle_approval(document, chosen, actor=actor, by=actor.user, note=note)
        tell_owner(actor, document, "document.approved", _("“%(title)s” is approved."), note)
    return document


def send_back(*, actor: Actor, document_id: uuid.UUID | str, note: str = "") -> Document:
    """Make it a draft again: take back what was handed in, or an approval. What waits to go to places outside under that
    approval is stopped.

    Args:
        actor: who writes; to take an approval back, who may approve.
        document_id: which document.
        note: why.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
        Conflict: it is neither in review nor approved.
    """
    found = get_document(actor=actor, document_id=document_id)
    approved = found.status == Status.APPROVED
    rule = writing_settings(found.workspace_id).approval
    require(actor, approving_capability(rule) if approved else "content.write", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.pk, None)
        if (document.status == Status.APPROVED) != approved:
            raise Conflict("Somebody else was faster.", remedy="Look at the document again.")
        before = move(document, "send_back")
        withdrawn = document.approved_version if approved else None
        document.review_version = None
        if approved:
            document.approved_version, document.approved_by, document.approved_at = None, None, None
        keep(document, "approved_version", "approved_by", "approved_at", "review_version")
        close_reviews(document, ReviewRequest.State.CANCELLED)
        if withdrawn is not None and not is_cleared(document, withdrawn, rule):
            withhold(actor=actor, document=document, version=withdrawn)
        record(
            actor,
            "document.returned",
            obj=document,
            reason=said(note),
            before={"status": before},
            after={"status": document.status},
        )
        tell_owner(actor, document, "document.returned", _("“%(title)s” is a draft again."), note)
    return document


def archive(*, actor: Actor, document_id: uuid.UUID | str) -> Document:
    """Put a document aside: it can be read, found and exported, not changed. What stands outside stays there.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        Conflict: it is scheduled, or archived already.
    """
    return _plain_step(actor, document_id, "archive", "document.archived")


def reopen(*, actor: Actor, document_id: uuid.UUID | str) -> Document:
    """Take a document out of the archive.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        Conflict: it is not archived.
    """
    return _plain_step(actor, document_id, "reopen", "document.reopened")


# ---------------------------------------------------------------- for the neighbours, under the lock of the row
def move(document: Document, step: str) -> str:
    """Give a locked document the status that a step leads to; the caller saves it with `keep`.

    Returns:
        the status before.

    Raises:
        Conflict: the step does not lead on from here.
    """
    ways = TRANSITIONS[step]
    before = str(document.status)
    if before not in ways:
        label = document.get_status_display()
        may = ", ".join(name for name, others in TRANSITIONS.items() if before in others)
        raise Conflict(
            f"The document is '{label}': this step is not possible.", field="status", remedy=f"Possible now: {may}."
        )
    document.status = ways[before] if ways[before] != RESTS else resting_status(document)
    return before


def settle_approval(
    document: Document, version: DocumentVersion, *, actor: Actor, by: User | None, note: str = ""
) -> None:
    """Make a version of a locked document the approved one; an open review ends with it.

    Args:
        document: locked.
        version: one of its versions.
        actor: whose act it is.
        by: whose approval counts.
        note: kept in the audit record.
    """
    before = move(document, "approve")
    pin(version)
    document.approved_version, document.approved_by, document.approved_at = version, by, timezone.now()
    document.review_version = None
    keep(document, "approved_version", "approved_by", "approved_at", "review_version")
    close_reviews(document, ReviewRequest.State.APPROVED)
    record(
        actor,
        "document.approved",
        obj=document,
        reason=said(note),
        before={"status": before},
        after={"status": document.status, "version": version.number, "by": str(by.pk) if by else ""},
    )


def may_approve_own(user_id: uuid.UUID | None, document: Document, version: DocumentVersion) -> bool:
    """Whether the workspace's rule lets a person approve a version: with four eyes, only one who wrote nothing since."""
    if user_id is None or writing_settings(document.workspace_id).approval != WritingSettings.Approval.OTHER:
        return True
    approved = document.approved_version
    since: dict[str, Any] = {"number__gt": approved.number} if approved else {}
    return not document.versions.filter(author_id=user_id, number__lte=version.number, **since).exists()


def close_reviews(document: Document, state: str) -> None:
    """End an open review of a locked document that was decided in another way."""
    rows = ReviewRequest.objects.filter(document=document, state=ReviewRequest.State.OPEN)
    rows.update(state=state, closed_at=timezone.now())


def resting_status(document: Document) -> str:
    """The status of a document on which nothing is under way."""
    if document.approved_version_id and document.approved_version_id != document.published_version_id:
        return Status.APPROVED
    return Status.PUBLISHED if document.published_version_id else Status.DRAFT


def keep(document: Document, *fields: str) -> None:
    """Save the status and these fields. The revision stays: the text has not changed."""
    document.save(update_fields=["status", *fields, "updated_at"])


def pin(version: DocumentVersion) -> None:
    """Let a version grow no more. The caller holds the lock of its document."""
    if not version.pinned:
        version.pinned = True
        version.save(update_fields=["pinned"])


def mark_published(document: Document, version: DocumentVersion, *, actor: Actor) -> bool:
    """Make a version of a locked document the published one. A time that was set for it is taken back.

    Returns:
        False when it is published already and nothing had to be done.

    Raises:
        Conflict: the status does not allow it.
    """
    waiting = document.status in (Status.APPROVED, Status.SCHEDULED) and document.approved_version_id == version.pk
    if document.published_version_id == version.pk and not waiting:
        return False
    before = move(document, "publish")
    pin(version)
    document.published_version, document.published_at = version, timezone.now()
    cancel_schedule(document)
    keep(document, "published_version", "published_at", "scheduled_at")
    record(
        actor,
        "document.published",
        obj=document,
        before={"status": before},
        after={"status": document.status, "version": version.number},
    )
    return True


def cancel_schedule(document: Document) -> None:
    """Take the time of a locked document back, if one is set; the caller saves the document."""
    waiting = Schedule.objects.filter(document=document, state=Schedule.State.QUEUED)
    waiting.update(state=Schedule.State.CANCELLED, finished_at=timezone.now())
    document.scheduled_at = None


def require_cleared(document: Document, version: DocumentVersion) -> None:
    """Let a version go out only as the rule of its workspace allows.

    Raises:
        Conflict: it is not approved.
    """
    if not is_cleared(document, version, writing_settings(document.workspace_id).approval):
        raise Conflict(
            f"Version {version.number} is not approved.",
            field="version",
            remedy="Have it approved first, choose the approved version, or send it as a draft.",
        )


def said(note: str) -> str:
    """A note as it is kept.

    Raises:
        InvalidInput: it is too long.
    """
    cleaned = clean_text(note).strip()
    if len(cleaned) > MAX_NOTE:
        raise InvalidInput(f"The note has {len(cleaned)} characters.", field="note", remedy=f"Use at most {MAX_NOTE}.")
    return cleaned


def tell_owner(actor: Actor, document: Document, kind: str, title: str, note: str = "") -> None:
    """Leave the owner a message, unless they did it themselves."""
    if document.owner is not None and document.owner_id != actor.user_id:
        link = reverse("content:status", args=[document.pk])
        notify(document.owner, kind, title % {"title": document.title[:120]}, said(note), link)


def _plain_step(actor: Actor, document_id: uuid.UUID | str, step: str, action: str) -> Document:
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.pk, None)
        before = move(document, step)
        document.review_version = None
        keep(document, "review_version")
        close_reviews(document, ReviewRequest.State.CANCELLED)
        record(actor, action, obj=document, before={"status": before}, after={"status": document.status})
    return document
