"""Asking people to read a version, and what follows from what they say.

A version is approved when all who were asked approve and one of them may approve documents: a yes of colleagues alone
leaves the last word to an editor. One who asks for changes ends the review; the document is a draft again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.content.models import Document, ReviewRequest, ReviewVerdict
from apps.content.selectors.documents import get_document
from apps.content.selectors.lifecycle import approving_capability
from apps.content.selectors.organising import writing_settings
from apps.content.selectors.reviews import get_review
from apps.content.services import lifecycle
from apps.content.services.documents import lock_document
from apps.content.services.manuscripts import version_of
from apps.users.models import User
from apps.users.selectors.access import Actor, can, require, require_user
from apps.users.selectors.belongings import members_of
from apps.users.services.audit import record
from apps.users.services.notifications import notify

MOST_REVIEWERS = 20
State = ReviewRequest.State
Decision = ReviewVerdict.Decision


def request_review(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    reviewers: Iterable[str],
    note: str = "",
    revision: int | None = None,
) -> ReviewRequest:
    """Hand the present text in, unless it is in review already, and ask people to read it.

    Args:
        actor: who writes.
        document_id: which document.
        reviewers: ids or e-mail addresses of members of the workspace, at most 20; not the actor.
        note: what they should look at.
        revision: the revision that the actor has seen; None takes it as it is.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        InvalidInput: one of them is no member.
        StaleRevision: somebody else saved in between.
        Conflict: a review is open already, or the text is approved.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    people = _reviewers(actor, found, reviewers)
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        if ReviewRequest.objects.filter(document=document, state=State.OPEN).exists():
            raise Conflict("A review of this document is open.", remedy="Wait for it, or take it back first.")
        if document.status != Document.Status.IN_REVIEW:
            document = lifecycle.submit(actor=actor, document_id=document.pk, note=note)
        row = ReviewRequest.objects.create(
            workspace_id=document.workspace_id,
            document=document,
            version=document.review_version or version_of(document, "current"),
            requested_by=actor.user,
            note=lifecycle.said(note),
        )
        ReviewVerdict.objects.bulk_create(ReviewVerdict(request=row, reviewer=person) for person in people)
        title = _("%(who)s asks for your review of “%(title)s”.")
        for person in people:
            _notify(person, row, "review.requested", title % {"who": _who(actor), "title": document.title[:100]}, note)
        record(
            actor,
            "review.requested",
            obj=row,
            reason=row.note,
            after={"document": str(document.pk), "reviewers": [str(person.pk) for person in people]},
        )
    return get_review(actor=actor, review_id=row.pk)


def approve_review(*, actor: Actor, review_id: uuid.UUID | str, note: str = "") -> ReviewRequest:
    """Say yes, as one of those who were asked. The last yes approves the version, if one of them may approve.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to decide.
        Conflict: it is over, or the actor has decided already.
    """
    found = get_review(actor=actor, review_id=review_id)
    require(actor, "content.comment", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.document_id, None)
        row, verdict = _open_verdict(actor, found)
        _say(verdict, Decision.APPROVED, note)
        record(actor, "review.approved", obj=row, reason=verdict.note, after={"document": str(document.pk)})
        if not row.verdicts.filter(decision=Decision.WAITING).exists():
            _all_said_yes(actor, row, document)
        _tell_requester(actor, row, "review.approved", _("%(who)s approves “%(title)s”."), note)
    return get_review(actor=actor, review_id=row.pk)


def ask_for_changes(*, actor: Actor, review_id: uuid.UUID | str, note: str) -> ReviewRequest:
    """Say what has to be changed, as one of those who were asked. The document is a draft again.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to decide.
        InvalidInput: nothing says what should change.
        Conflict: it is over, or the actor has decided already.
    """
    found = get_review(actor=actor, review_id=review_id)
    require(actor, "content.comment", workspace=found.workspace_id)
    if not lifecycle.said(note):
        raise InvalidInput("Nothing says what should change.", field="note", remedy="Write it in a sentence or two.")
    with transaction.atomic():
        document = lock_document(found.document_id, None)
        row, verdict = _open_verdict(actor, found)
        _say(verdict, Decision.CHANGES, note)
        _close(row, State.CHANGES)
        record(actor, "review.changes_requested", obj=row, reason=verdict.note, after={"document": str(document.pk)})
        _back_to_draft(actor, document)
        _tell_requester(actor, row, "review.changes", _("%(who)s asks for changes of “%(title)s”."), note)
    return get_review(actor=actor, review_id=row.pk)


def cancel_review(*, actor: Actor, review_id: uuid.UUID | str) -> ReviewRequest:
    """Take an open request back; the document is a draft again.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        Conflict: it is over.
    """
    found = get_review(actor=actor, review_id=review_id)
    require(actor, "content.write", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.document_id, None)
        row = _open(found)
        _close(row, State.CANCELLED)
        record(actor, "review.cancelled", obj=row, after={"document": str(document.pk)})
        _back_to_draft(actor, document)
        title = _("The review of “%(title)s” was taken back.") % {"title": document.title[:100]}
        for verdict in row.verdicts.filter(decision=Decision.WAITING).select_related("reviewer"):
            _notify(verdict.reviewer, row, "review.cancelled", title)
    return get_review(actor=actor, review_id=row.pk)


# ---------------------------------------------------------------- inside
def _reviewers(actor: Actor, document: Document, wanted: Iterable[str]) -> list[User]:
    names = list(dict.fromkeys(name for each in wanted if (name := str(each).strip().lower())))
    if not 0 < len(names) <= MOST_REVIEWERS:
        raise InvalidInput(
            f"{len(names)} people are asked.", field="reviewers", remedy=f"Ask 1 to {MOST_REVIEWERS} members."
        )
    members = {row.user: row for row in members_of(actor=actor, workspace=document.workspace)}
    known = {key: user for user in members for key in (str(user.pk), user.email.lower())}
    found: dict[uuid.UUID, User] = {}
    for name in names:
        if name not in known:
            raise InvalidInput(
                f"'{name[:80]}' is no member of the workspace.", field="reviewers", remedy="Ask members only."
            )
        if known[name].pk == actor.user_id:
            raise InvalidInput("You cannot review for yourself.", field="reviewers", remedy="Ask somebody else.")
        found[known[name].pk] = known[name]
    return list(found.values())


def _open(found: ReviewRequest) -> ReviewRequest:
    row = ReviewRequest.objects.select_for_update(of=("self",)).filter(pk=found.pk).first()
    if row is None:
        raise NotFound("There is no such review.")
    if row.state != State.OPEN:
        raise Conflict("This review is over.", remedy="Look at the document's status.")
    return row


def _open_verdict(actor: Actor, found: ReviewRequest) -> tuple[ReviewRequest, ReviewVerdict]:
    row = _open(found)
    verdict = row.verdicts.filter(reviewer=require_user(actor)).first()
    if verdict is None:
        raise PermissionDenied("You were not asked for this review.", remedy="Write a comment, or ask to be asked.")
    if verdict.decision != Decision.WAITING:
        raise Conflict("You have decided already.", remedy="Wait for the others.")
    return row, verdict


def _say(verdict: ReviewVerdict, decision: str, note: str) -> None:
    verdict.decision, verdict.note, verdict.decided_at = decision, lifecycle.said(note), timezone.now()
    verdict.save(update_fields=["decision", "note", "decided_at"])


def _close(row: ReviewRequest, state: str) -> None:
    row.state, row.closed_at = state, timezone.now()
    row.save(update_fields=["state", "closed_at"])


def _all_said_yes(actor: Actor, row: ReviewRequest, document: Document) -> None:
    _close(row, State.APPROVED)
    capability = approving_capability(writing_settings(document.workspace_id).approval)
    said_yes = [verdict.reviewer for verdict in row.verdicts.select_related("reviewer")]
    for person in sorted(said_yes, key=lambda each: each.pk != actor.user_id):
        # Of the actor the token counts too; of the others, what they may do now.
        asker = actor if person.pk == actor.user_id else Actor.for_user(person)
        allowed = can(asker, capability, workspace=document.workspace_id)
        if allowed and lifecycle.may_approve_own(person.pk, document, row.version):
            lifecycle.settle_approval(document, row.version, actor=actor, by=person)
            return


def _back_to_draft(actor: Actor, document: Document) -> None:
    if document.status == Document.Status.IN_REVIEW:
        lifecycle.move(document, "send_back")
        document.review_version = None
        lifecycle.keep(document, "review_version")


def _tell_requester(actor: Actor, row: ReviewRequest, kind: str, title: str, note: str) -> None:
    said = title % {"who": _who(actor), "title": row.document.title[:100]}
    people = {person.pk: person for person in (row.requested_by, row.document.owner) if person is not None}
    for person in people.values():
        if person.pk != actor.user_id:
            _notify(person, row, kind, said, note)


def _notify(person: User, row: ReviewRequest, kind: str, title: str, note: str = "") -> None:
    notify(person, kind, title, lifecycle.said(note), reverse("content:status", args=[row.document_id]))


def _who(actor: Actor) -> str:
    return str(actor.user) if actor.user else actor.label
