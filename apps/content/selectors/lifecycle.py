"""How far a document is, and what the reader of the page may do with it next."""

from __future__ import annotations

from dataclasses import dataclass

from apps.content.models import Document, DocumentVersion, WritingSettings
from apps.content.models.lifecycle import TRANSITIONS
from apps.content.selectors.organising import writing_settings
from apps.users.selectors.access import Actor, can

_Approval = WritingSettings.Approval


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a document stands.

    Args:
        document: the row.
        steps: names of `TRANSITIONS` that the actor may take now.
        approval: one of `WritingSettings.Approval`.
        newer_than_approved: the text was changed since it was approved.
        newer_than_published: the text was changed since it was published.
    """

    document: Document
    steps: tuple[str, ...]
    approval: str
    newer_than_approved: bool
    newer_than_published: bool


def standing_of(actor: Actor, document: Document) -> Standing:
    """Where a document stands, as one person sees it.

    Args:
        actor: may read the document.
        document: with its versions.
    """
    approval = writing_settings(document.workspace_id).approval
    current = document.current_version_id
    return Standing(
        document=document,
        steps=_steps(actor, document, approval),
        approval=approval,
        newer_than_approved=bool(document.approved_version_id) and document.approved_version_id != current,
        newer_than_published=bool(document.published_version_id) and document.published_version_id != current,
    )


def is_cleared(document: Document, version: DocumentVersion, approval: str) -> bool:
    """Whether a version may go out: nobody's yes is needed, or it has it.

    Args:
        document: its document.
        version: the one to go out.
        approval: one of `WritingSettings.Approval`.
    """
    return approval == _Approval.NONE or version.pk in (document.approved_version_id, document.published_version_id)


def approving_capability(approval: str) -> str:
    """What somebody needs to approve in a workspace of this rule."""
    return "content.write" if approval == _Approval.NONE else "content.approve"


def _steps(actor: Actor, document: Document, approval: str) -> tuple[str, ...]:
    workspace = document.workspace_id
    if not can(actor, "content.write", workspace=workspace):
        return ()
    approves = can(actor, approving_capability(approval), workspace=workspace)
    open_now = {name for name, ways in TRANSITIONS.items() if document.status in ways}
    current, approved = document.current_version_id, document.approved_version_id
    under_review = document.review_version_id if document.status == Document.Status.IN_REVIEW else current
    if not approves or under_review == approved:
        open_now.discard("approve")
    if document.status == Document.Status.APPROVED and not approves:
        open_now.discard("send_back")
    if document.status in (Document.Status.APPROVED, Document.Status.PUBLISHED) and current in (
        approved,
        document.published_version_id,
    ):
        open_now.discard("submit")
    ready = current if approval == _Approval.NONE else approved
    if ready is None or ready == document.published_version_id:
        open_now -= {"publish", "schedule"}
    if document.published_version_id is None:
        open_now.discard("unpublish")
    return tuple(name for name in TRANSITIONS if name in open_now)
