"""One act on many documents: all of it or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import InvalidInput, NotFound
from apps.content.models import Document
from apps.content.selectors.documents import as_uuid
from apps.content.services.collections import parent_in
from apps.content.services.tags import tags_named
from apps.users.selectors.access import Actor, require, workspaces_of
from apps.users.services.audit import record

MOST = 200


def move_documents(
    *, actor: Actor, document_ids: Sequence[uuid.UUID | str], collection_id: uuid.UUID | str | None
) -> int:
    """Put documents into a collection, or into none.

    Returns:
        how many were elsewhere before.

    Raises:
        NotFound, PermissionDenied: a document is not the actor's to write.
        InvalidInput: too many, or the collection is not of their workspace.
    """
    documents = _documents(actor, document_ids, "content.write")
    with transaction.atomic():
        moved = 0
        for workspace_id in {document.workspace_id for document in documents}:
            target = parent_in(workspace_id, collection_id)
            here = [
                d for d in documents if d.workspace_id == workspace_id and d.collection_id != (target and target.pk)
            ]
            Document.objects.filter(pk__in=[d.pk for d in here]).update(collection=target)
            for document in here:
                record(
                    actor,
                    "document.moved",
                    obj=document,
                    before={"collection": document.collection_id},
                    after={"collection": target and target.pk},
                )
            moved += len(here)
    return moved


def tag_documents(
    *, actor: Actor, document_ids: Sequence[uuid.UUID | str], add: Iterable[str] = (), remove: Iterable[str] = ()
) -> int:
    """Give tags to documents and take tags away from them; unknown ones to be given are made.

    Returns:
        how many documents were asked about.

    Raises:
        NotFound, PermissionDenied: a document is not the actor's to write.
        InvalidInput: too many documents or tags, or a name cannot be used.
    """
    documents = _documents(actor, document_ids, "content.write")
    add, remove = list(add), {name.strip().casefold() for name in remove}
    through = Document.tags.through
    with transaction.atomic():
        for workspace_id in {document.workspace_id for document in documents}:
            ids = [d.pk for d in documents if d.workspace_id == workspace_id]
            new = [through(document_id=pk, tag_id=tag.pk) for tag in tags_named(workspace_id, add) for pk in ids]
            through.objects.bulk_create(new, ignore_conflicts=True)
            if remove:
                carried = through.objects.filter(document_id__in=ids).select_related("tag")
                gone = [row.pk for row in carried if row.tag.name.casefold() in remove]
                through.objects.filter(pk__in=gone).delete()
        for document in documents:
            record(actor, "document.tagged", obj=document, after={"added": len(add), "removed": len(remove)})
    return len(documents)


def bin_documents(*, actor: Actor, document_ids: Sequence[uuid.UUID | str]) -> int:
    """Put documents into the bin.

    Returns:
        how many.

    Raises:
        NotFound, PermissionDenied: a document is not the actor's to delete.
        InvalidInput: too many.
    """
    documents = _documents(actor, document_ids, "content.delete")
    now = timezone.now()
    with transaction.atomic():
        Document.objects.kept().filter(pk__in=[d.pk for d in documents]).update(deleted_at=now, updated_at=now)
        for document in documents:
            record(actor, "document.deleted", obj=document)
    return len(documents)


def _documents(actor: Actor, document_ids: Sequence[uuid.UUID | str], capability: str) -> list[Document]:
    ids = list(dict.fromkeys(as_uuid(each) for each in document_ids))
    if not ids:
        raise InvalidInput("No document is chosen.", field="ids", remedy="Choose at least one.")
    if len(ids) > MOST:
        raise InvalidInput(f"These are {len(ids)} documents.", field="ids", remedy=f"Send at most {MOST} at a time.")
    rows = Document.objects.kept().filter(pk__in=ids, workspace__in=workspaces_of(actor))
    found = list(rows.only("pk", "workspace_id", "collection_id", "kind"))
    if len(found) < len(ids):
        missing = next(str(each) for each in ids if each not in {document.pk for document in found})
        raise NotFound(f"There is no document {missing}.", field="ids", remedy="Nothing was changed; leave it out.")
    for workspace_id in {document.workspace_id for document in found}:
        require(actor, capability, workspace=workspace_id)
    return found
