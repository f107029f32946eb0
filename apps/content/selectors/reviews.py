"""Reading reviews."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import ReviewRequest, ReviewVerdict
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of

_WAITING = ReviewVerdict.Decision.WAITING


def reviews_for(
    actor: Actor, workspace: Workspace | None = None, *, document_id: uuid.UUID | str | None = None, state: str = ""
) -> QuerySet[ReviewRequest]:
    """Requests for reviews that the actor may read, with what was said.

    Args:
        actor: who reads.
        workspace: only of this one.
        document_id: only of this one.
        state: only in this state.
    """
    rows = ReviewRequest.objects.filter(workspace__in=workspaces_of(actor), document__deleted_at__isnull=True)
    if workspace is not None:
        rows = rows.filter(workspace=workspace)
    if document_id is not None:
        rows = rows.filter(document_id=as_uuid(document_id))
    if state:
        rows = rows.filter(state=state)
    rows = rows.select_related("document", "version", "requested_by").prefetch_related("verdicts__reviewer")
    return rows.defer("document__body_markdown", "document__body_html", "version__body_markdown")


def to_review(actor: Actor, workspace: Workspace | None = None) -> QuerySet[ReviewRequest]:
    """Open requests that wait for the actor's own word."""
    waiting = ReviewVerdict.objects.filter(reviewer_id=actor.user_id, decision=_WAITING).values("request_id")
    return reviews_for(actor, workspace, state=ReviewRequest.State.OPEN).filter(pk__in=waiting)


def get_review(*, actor: Actor, review_id: uuid.UUID | str) -> ReviewRequest:
    """One request.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found = reviews_for(actor).filter(pk=as_uuid(review_id)).first()
    if found is None:
        raise NotFound("There is no such review.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def waiting_for(actor: Actor, workspace: Workspace, limit: int) -> list[tuple[uuid.UUID, str, dt.datetime]]:
    """(document, title, since when) of what waits for the actor's word, the oldest first."""
    rows = to_review(actor, workspace).prefetch_related(None).order_by("created_at")
    return list(rows.values_list("document_id", "document__title", "created_at")[:limit])
