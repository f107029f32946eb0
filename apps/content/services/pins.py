"""Pins: a document with pinned sources is written and checked from these alone."""

from __future__ import annotations

import uuid

from django.db import transaction

from aiwriter.core.errors import NotFound
from apps.content.models import SourcePin
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.selectors.sources import get_source
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record


def pin_source(*, actor: Actor, document_id: uuid.UUID | str, source_id: uuid.UUID | str) -> SourcePin:
    """Pin a source to a document; quiet when it is pinned already.

    Raises:
        NotFound, PermissionDenied: document or source are not the actor's, or of different workspaces.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    source = get_source(actor=actor, source_id=source_id)
    if source.workspace_id != document.workspace_id:
        raise NotFound("There is no such source in the workspace of this document.", field="source_id")
    with transaction.atomic():
        pin, made = SourcePin.objects.get_or_create(
            document=document, source=source, defaults={"created_by": actor.user}
        )
        if made:
            record(actor, "source.pinned", obj=document, after={"source": str(source.pk)})
    return pin


def unpin_source(*, actor: Actor, document_id: uuid.UUID | str, source_id: uuid.UUID | str) -> None:
    """Take a source off a document; quiet when it is not pinned.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to change.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    with transaction.atomic():
        gone, _ = SourcePin.objects.filter(document=document, source_id=as_uuid(source_id)).delete()
        if gone:
            record(actor, "source.unpinned", obj=document, after={"source": str(source_id)})
