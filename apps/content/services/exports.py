"""Documents as files."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from apps.backends.models import StoredFile
from apps.backends.services.filestore import put_file
from apps.content.markup.docx import docx_file
from apps.content.markup.exports import Reference, html_file, markdown_file
from apps.content.models import Document, DocumentVersion, Export
from apps.content.selectors.documents import as_uuid, citations_in, get_document, get_version
from apps.users.models import User
from apps.users.selectors.access import Actor, require, workspaces_of
from apps.users.services.audit import record

logger = logging.getLogger(__name__)

TYPES = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
LEASE = dt.timedelta(seconds=120)
# About a second's work; what is longer is written by a worker.
AT_ONCE_WORDS = 5_000


@dataclass(frozen=True, slots=True)
class Exported:
    """A file to send."""

    filename: str
    content_type: str
    content: bytes


def export_document(*, actor: Actor, document_id: uuid.UUID | str, format: str, number: int | None = None) -> Exported:
    """Make a file of a document now: Markdown and HTML of any length, Word in about 0.2 s per 1,000 words.

    Args:
        actor: who takes it out.
        document_id: which document.
        format: "md", "html" or "docx".
        number: of a version; the present text when left out.

    Raises:
        NotFound, PermissionDenied: document or version are not the actor's.
        InvalidInput: there is no such format.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.read", workspace=document.workspace_id)
    _known(format)
    version = get_version(actor=actor, document_id=document_id, number=number) if number else None
    record(actor, "document.exported", obj=document, after={"format": format})
    return _render(document, version, format)


def start_export(*, actor: Actor, document_id: uuid.UUID | str, format: str) -> Export:
    """Have a worker make the file; the state of the row says when it is there.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
        InvalidInput: there is no such format.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.read", workspace=document.workspace_id)
    _known(format)
    version = document.current_version
    if version is None:
        raise Conflict("The document has no version yet.", remedy="Save it first.")
    with transaction.atomic():
        export = Export.objects.create(document=document, version=version, requested_by=actor.user, format=format)
        record(actor, "document.exported", obj=document, after={"format": format})
        enqueue("content.make_export", export_id=str(export.pk))
    return export


def get_export(*, actor: Actor, export_id: uuid.UUID | str) -> Export:
    """One export.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found = (
        Export.objects.filter(pk=as_uuid(export_id), document__workspace__in=workspaces_of(actor))
        .select_related("document", "file")
        .first()
    )
    if found is None:
        raise NotFound("There is no such export.")
    require(actor, "content.read", workspace=found.document.workspace_id)
    return found


def export_file(*, actor: Actor, export_id: uuid.UUID | str) -> StoredFile:
    """The file of a finished export.

    Raises:
        NotFound: there is no such export for this actor.
        Conflict: it is not ready.
    """
    export = get_export(actor=actor, export_id=export_id)
    if export.file is None:
        raise Conflict("The file is not ready.", remedy=export.remedy or "Wait a moment and ask again.")
    return export.file


def make_export(export_id: uuid.UUID) -> None:
    """Write the file of an export. Quiet when it is done or somebody else is at it."""
    fence = Export.objects.claim(export_id, lease=LEASE, to_state=Export.State.RUNNING)
    if fence is None:
        return
    export = Export.objects.select_related("document", "version", "requested_by").get(pk=export_id)
    fields: dict[str, object] = {"state": Export.State.READY, "error": "", "remedy": ""}
    try:
        made = _render(export.document, export.version, export.format)
        fields["file"] = put_file(
            actor=_on_behalf_of(export.requested_by),
            workspace=export.document.workspace,
            name=made.filename,
            stream=BytesIO(made.content),
            content_type=made.content_type,
            purpose="export",
        )
    except AppError as error:
        fields = {"state": Export.State.FAILED, "error": error.message, "remedy": error.remedy}
    except Exception:
        logger.exception("Export %s failed", export_id)
        message = "The file could not be written."
        fields = {"state": Export.State.FAILED, "error": message, "remedy": "Try another format."}
    Export.objects.held(export_id, fence=fence).update(lease_until=None, finished_at=timezone.now(), **fields)


def _on_behalf_of(user: User | None) -> Actor:
    return Actor.for_user(user) if user else Actor.system_actor("exports")


def _known(format: str) -> None:
    if format not in TYPES:
        raise InvalidInput(f"'{format}' is no format.", field="format", remedy=f"Use one of {', '.join(TYPES)}.")


def _render(document: Document, version: DocumentVersion | None, format: str) -> Exported:
    title = version.title if version else document.title
    body = version.body_markdown if version else document.body_markdown
    references = [
        Reference(view.marker, view.source_title, view.locator, view.quote, view.verified)
        for view in citations_in(document, body)
    ]
    makers: dict[str, Callable[[], bytes]] = {
        "md": lambda: markdown_file(title, body, references).encode(),
        "html": lambda: html_file(title, body, references, language=document.language).encode(),
        "docx": lambda: docx_file(title, body, references, language=document.language),
    }
    return Exported(f"{slugify(title)[:80] or 'document'}.{format}", TYPES[format], makers[format]())
