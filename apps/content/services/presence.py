"""Who is at a document now: signs of life with an end."""

from __future__ import annotations

import uuid

from django.utils import timezone

from apps.content.models import Presence
from apps.content.selectors.documents import get_document
from apps.content.selectors.organising import present_at
from apps.users.selectors.access import Actor, require, require_user


def be_present(*, actor: Actor, document_id: uuid.UUID | str) -> tuple[list[Presence], int]:
    """Say that the actor has a document open in the editor. Holds for 40 seconds.

    Not in the audit record: it changes nothing and comes every few seconds.

    Returns:
        the others who are there, and the document's revision, by which the page sees early that it has grown old.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    user, now = require_user(actor), timezone.now()
    mine = Presence.objects.filter(document=document, user=user)
    if not mine.now().update(seen_at=now):
        Presence.objects.update_or_create(document=document, user=user, defaults={"seen_at": now, "since": now})
    return present_at(document.pk, but=user.pk), document.revision


def leave(*, actor: Actor, document_id: uuid.UUID | str) -> None:
    """Say that the actor has closed a document.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    Presence.objects.filter(document=document, user=require_user(actor)).delete()
