"""Reading suggestions."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import Suggestion
from apps.content.selectors.documents import as_uuid, get_document
from apps.users.selectors.access import Actor


def suggestions_of(*, actor: Actor, document_id: uuid.UUID | str) -> QuerySet[Suggestion]:
    """All suggestions for a document, newest first.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to read.
    """
    document = get_document(actor=actor, document_id=document_id)
    return Suggestion.objects.filter(document=document).select_related("author", "generation", "prompt_version")


def get_suggestion(*, actor: Actor, document_id: uuid.UUID | str, suggestion_id: uuid.UUID | str) -> Suggestion:
    """One suggestion.

    Raises:
        NotFound, PermissionDenied: there is none, or the document is not the actor's to read.
    """
    found = suggestions_of(actor=actor, document_id=document_id).filter(pk=as_uuid(suggestion_id)).first()
    if found is None:
        raise NotFound("There is no such suggestion.", remedy="It may belong to another document; list them.")
    return found
