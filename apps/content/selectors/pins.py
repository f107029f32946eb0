"""Which sources a document is written from."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from apps.content.models import Document, Source, SourcePin
from apps.content.selectors.documents import get_document
from apps.content.selectors.sources import sources_for
from apps.users.selectors.access import Actor


def pinned_sources(*, actor: Actor, document_id: uuid.UUID | str) -> QuerySet[Source]:
    """The sources pinned to a document.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
    """
    document = get_document(actor=actor, document_id=document_id)
    return sources_for(actor).filter(pins__document=document)


def pinned_ids(document: Document | None) -> list[uuid.UUID] | None:
    """Ids of the pinned sources; None when nothing is pinned, which means all sources of the workspace."""
    if document is None:
        return None
    return list(SourcePin.objects.filter(document=document).values_list("source_id", flat=True)) or None
