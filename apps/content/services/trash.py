"""The bin: emptied by hand, and by itself after the days that the workspace has set."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

from django.db import transaction
from django.utils import timezone

from apps.content.models import Document, Presence, WritingSettings
from apps.content.selectors.documents import get_document
from apps.content.selectors.organising import binned_documents
from apps.content.services.pictures import drop_unused, pictures_named_by
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

logger = logging.getLogger(__name__)

_BATCH = 50
_STALE_PRESENCE = dt.timedelta(days=1)


def purge_document(*, actor: Actor, document_id: uuid.UUID | str) -> None:
    """Delete a document that lies in the bin for good, with its versions, exports and generations.

    Raises:
        NotFound, PermissionDenied: no such document lies in the bin of the actor's workspaces.
    """
    document = get_document(actor=actor, document_id=document_id, deleted=True)
    require(actor, "content.delete", workspace=document.workspace_id)
    _purge(actor, document, "by hand")


def empty_trash(*, actor: Actor, workspace: Workspace | uuid.UUID | str) -> int:
    """Delete everything in the bin of a workspace for good.

    Returns:
        how many documents.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to delete in.
    """
    require(actor, "content.delete", workspace=workspace)
    room = get_workspace(actor, workspace)
    # What is put into the bin while this runs was not seen by who asked.
    rows = binned_documents(actor, room).filter(deleted_at__lte=timezone.now()).only("pk", "kind", "workspace_id")
    return sum(_purge(actor, document, "bin emptied") for document in rows.iterator(chunk_size=_BATCH))


def purge_expired() -> int:
    """Delete for good what has lain in the bin for longer than its workspace keeps it. Runs on the schedule.

    Each document is deleted in a transaction of its own: what was stopped in the middle goes on with the next run.

    Returns:
        how many documents.
    """
    actor = Actor.system_actor("trash")
    now = timezone.now()
    days = dict(WritingSettings.objects.values_list("workspace_id", "trash_days"))
    rooms = Document.objects.binned().order_by().values_list("workspace_id", flat=True).distinct()
    total = 0
    for workspace_id in rooms:
        kept_days = days.get(workspace_id, WritingSettings.TRASH_DAYS)
        if not kept_days:
            continue
        old = Document.objects.binned().filter(
            workspace_id=workspace_id, deleted_at__lt=now - dt.timedelta(days=kept_days)
        )
        for document in old.only("pk", "kind", "workspace_id").iterator(chunk_size=_BATCH):
            total += _purge(actor, document, f"{kept_days} days in the bin")
    Presence.objects.filter(seen_at__lt=now - _STALE_PRESENCE).delete()
    if total:
        logger.info("documents purged", extra={"documents": total})
    return total


def _purge(actor: Actor, document: Document, reason: str) -> bool:
    with transaction.atomic():
        # Locked and asked again: somebody may have taken it out of the bin in this moment.
        still = Document.objects.binned().select_for_update().filter(pk=document.pk).only("pk", "kind", "workspace_id")
        if (row := still.first()) is None:
            return False
        record(actor, "document.purged", obj=row, reason=reason)
        workspace_id, shown = row.workspace_id, pictures_named_by(row)
        row.delete()
        if shown:
            drop_unused(workspace_id, shown)
    return True
