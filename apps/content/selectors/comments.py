"""Reading comments."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import CommentThread
from apps.content.selectors.documents import as_uuid, get_document
from apps.users.selectors.access import Actor


def threads_of(*, actor: Actor, document_id: uuid.UUID | str) -> QuerySet[CommentThread]:
    """All threads of a document, the oldest first, with what was said.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to read.
    """
    document = get_document(actor=actor, document_id=document_id)
    rows = CommentThread.objects.filter(document=document).select_related("created_by", "resolved_by", "version")
    return rows.defer("version__body_markdown").prefetch_related("comments__author").order_by("created_at", "id")


def get_thread(*, actor: Actor, document_id: uuid.UUID | str, thread_id: uuid.UUID | str) -> CommentThread:
    """One thread.

    Raises:
        NotFound, PermissionDenied: there is none, or the document is not the actor's to read.
    """
    found = threads_of(actor=actor, document_id=document_id).filter(pk=as_uuid(thread_id)).first()
    if found is None:
        raise NotFound("There are no such comments.", remedy="They may have been deleted; list them again.")
    return found
