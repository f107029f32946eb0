"""Reading documents, their versions and the citations in them."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import Citation, Document, DocumentVersion
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of

MARKER = re.compile(r"\[(\d{1,4})\](?!\()")


@dataclass(frozen=True, slots=True)
class CitationView:
    """A marker in a document and what stands behind it. `source_id` is None when the source has been removed."""

    marker: str
    verified: bool
    quote: str
    source_id: uuid.UUID | None
    source_title: str
    locator: str
    chunk_id: uuid.UUID | None
    score: float


def documents_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Document]:
    """Documents that the actor may read, without those in the bin.

    Args:
        actor: who reads.
        workspace: only this one.
    """
    found = Document.objects.kept().filter(workspace__in=workspaces_of(actor))
    return found.filter(workspace=workspace) if workspace else found


def get_document(*, actor: Actor, document_id: uuid.UUID | str, deleted: bool = False) -> Document:
    """One document.

    Args:
        actor: who reads.
        document_id: which.
        deleted: look in the bin instead.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    found = (
        Document.objects.filter(pk=as_uuid(document_id), deleted_at__isnull=not deleted)
        .filter(workspace__in=workspaces_of(actor))
        .first()
    )
    if found is None:
        raise NotFound("There is no such document.", remedy="It may have been deleted; look at your documents.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def versions_of(*, actor: Actor, document_id: uuid.UUID | str) -> QuerySet[DocumentVersion]:
    """All versions of a document, newest first, without their text.

    Raises:
        NotFound: there is no such document for this actor.
    """
    document = get_document(actor=actor, document_id=document_id)
    return document.versions.select_related("author").defer("body_markdown").order_by("-number")


def get_version(*, actor: Actor, document_id: uuid.UUID | str, number: int) -> DocumentVersion:
    """One version with its text.

    Raises:
        NotFound: there is no such document or version for this actor.
    """
    document = get_document(actor=actor, document_id=document_id)
    found = document.versions.select_related("author").filter(number=number).first()
    if found is None:
        raise NotFound(f"The document has no version {number}.", field="number", remedy="Look at its versions.")
    return found


def citations_of(*, actor: Actor, document_id: uuid.UUID | str) -> list[CitationView]:
    """The citations whose markers stand in the text now, in the order of their numbers.

    Raises:
        NotFound: there is no such document for this actor.
    """
    return citations_in(get_document(actor=actor, document_id=document_id))


def citations_in(document: Document, body: str | None = None) -> list[CitationView]:
    """The same for a document that was already checked.

    Args:
        document: the document.
        body: the text of one of its versions; the present text when left out.
    """
    used = {match[1] for match in MARKER.finditer(document.body_markdown if body is None else body)}
    newest: dict[str, Citation] = {}
    rows = Citation.objects.filter(version__document=document, marker__in=used).order_by("version__number", "start")
    for row in rows:
        kept = newest.get(row.marker)
        # A marker may stand in several places; one verified place is the one worth showing.
        if kept is None or row.verified or not kept.verified:
            newest[row.marker] = row
    return [
        CitationView(
            marker=row.marker,
            verified=row.verified,
            quote=row.quote,
            source_id=row.source_id,
            source_title=row.source_title,
            locator=row.locator,
            chunk_id=row.chunk_id,
            score=row.score,
        )
        for row in sorted(newest.values(), key=lambda row: int(row.marker))
    ]


def as_uuid(value: uuid.UUID | str) -> uuid.UUID:
    """An id from a path or a body.

    Raises:
        NotFound: it is no id at all, so there is nothing of that id.
    """
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise NotFound("There is nothing of that id.") from None
