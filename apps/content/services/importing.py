"""Texts from elsewhere as documents: Markdown, HTML, Word, a page of the web, a zip of Markdown."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import re
import uuid
from collections.abc import Mapping
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound, UnsupportedType
from aiwriter.core.queue import enqueue
from aiwriter_sdk import BackendError
from apps.backends.services.filestore import clean_name, put_file
from apps.content.models import Import
from apps.content.selectors.documents import as_uuid
from apps.content.services.deliveries import emit
from apps.content.services.documents import create_document
from apps.content.services.import_pages import TYPES, get_page
from apps.content.services.import_pictures import Box, drop_pictures, keep_pictures
from apps.content.services.import_texts import ENDINGS, Text, texts_of
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require, workspaces_of
from apps.users.services.audit import record

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=300)
PATIENCE = dt.timedelta(seconds=15)
MAX_ATTEMPTS = 3


def import_file(
    *, actor: Actor, workspace: Workspace | uuid.UUID | str, name: str, stream: BinaryIO, content_type: str = ""
) -> Import:
    """Take a file in; a worker makes documents of it. The original is kept.

    Args:
        actor: who imports; becomes the owner.
        workspace: the workspace, its id or its slug.
        name: file name, with its ending: .md, .txt, .html, .docx or .zip.
        stream: the bytes.
        content_type: as the browser said.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to write in.
        UnsupportedType: files of this kind cannot become documents.
        InvalidInput, TooLarge, StorageFull: the file cannot be taken.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    shown = clean_name(name)
    if PurePosixPath(shown).suffix.lower() not in ENDINGS:
        raise UnsupportedType(
            f"“{shown[:80]}” cannot become a document.",
            field="file",
            remedy="Use Markdown, HTML, Word (.docx) or a zip of Markdown; add other files as sources.",
        )
    file = put_file(
        actor=actor, workspace=room, name=shown, stream=stream, content_type=content_type, purpose="attachment"
    )
    with transaction.atomic():
        row = Import.objects.create(workspace=room, requested_by=actor.user, name=shown[:300], file=file)
        record(actor, "import.started", obj=row, after={"bytes": file.blob.size})
        enqueue("content.run_import", import_id=str(row.pk))
    return row


def import_url(*, actor: Actor, workspace: Workspace | uuid.UUID | str, url: str) -> Import:
    """Take a page of the web in; a worker fetches it through the guarded way out.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to write in.
        InvalidInput: it is no address of the web.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    address = url.strip()
    try:
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        fine = False
    if not fine or len(address) > 2000:
        raise InvalidInput(
            "This is not an address of the web.", field="url", remedy="Enter one such as https://example.org/page."
        )
    with transaction.atomic():
        row = Import.objects.create(workspace=room, requested_by=actor.user, name=address[:300], url=address)
        record(actor, "import.started", obj=row, after={"host": parts.hostname})
        enqueue("content.run_import", import_id=str(row.pk))
    return row


def imports_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Import]:
    """The actor's imports with their documents, those in the bin included."""
    rows = Import.objects.filter(workspace__in=workspaces_of(actor), requested_by=actor.user)
    return rows.filter(workspace=workspace) if workspace else rows


def get_import(*, actor: Actor, import_id: uuid.UUID | str) -> Import:
    """One import.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found: Import | None = imports_for(actor).filter(pk=as_uuid(import_id)).first()
    if found is None:
        raise NotFound("There is no such import.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def sweep_imports(limit: int = 50) -> int:
    """Wake imports whose message or worker was lost.

    Returns:
        how many.
    """
    due = Import.objects.claimable().filter(queued_at__lt=timezone.now() - PATIENCE)
    ids = list(due.order_by("queued_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.run_import", import_id=str(each))
    return len(ids)


def run_import(import_id: uuid.UUID) -> None:
    """Make the documents. Quiet when it is done or somebody else is at it."""
    fence = Import.objects.claim(import_id, lease=LEASE, to_state=Import.State.RUNNING)
    if fence is None:
        return
    row = Import.objects.select_related("workspace", "requested_by", "file__blob").get(pk=import_id)
    held = Import.objects.held(import_id, fence=fence)
    try:
        if row.attempts > MAX_ATTEMPTS:
            raise Conflict(f"Reading it has ended the worker {MAX_ATTEMPTS} times.", remedy="Try another format.")
        if row.requested_by is None:
            raise Conflict("The account that asked for it is gone.")
        actor = Actor.for_user(row.requested_by)
        if row.url and row.file is None:
            _fetch(actor, row, held)
        if row.file is None:
            raise NotFound("The file is gone.", remedy="Import it again.")
        box = Box()
        texts = list(texts_of(row.file, box))
        if not texts:
            raise InvalidInput("There is no text in it.", remedy="Check that it is the right file.")
        kept = keep_pictures(
            actor=actor, row=row, held=held, box=box, bodies=[text.body for text in texts], lease=LEASE
        )
        if kept is not None:
            _make(actor, row, held, texts, kept)
    except (AppError, BackendError) as error:
        _fail(row, held, str(getattr(error, "message", error)), error.remedy)
    except Exception:
        logger.exception("Import %s failed", import_id)
        _fail(row, held, "Something went wrong on the server.", "Try another format, or tell the operator.")


def _make(actor: Actor, row: Import, held: QuerySet[Import], texts: list[Text], kept: Mapping[str, str]) -> None:
    """All documents and the end of the job in one transaction: a worker that dies has made none, or all."""
    notes = [f"{text.title}: {note}" if len(texts) > 1 else note for text in texts for note in text.notes]
    with transaction.atomic():
        fields = {"state": Import.State.DONE, "lease_until": None, "finished_at": timezone.now(), "notes": notes[:100]}
        if not held.update(**fields, error="", remedy=""):
            return
        made = [
            create_document(
                actor=actor,
                workspace=row.workspace,
                title=text.title[:300],
                body_markdown=_with_pictures(text.body, kept),
                reason="import",
            )
            for text in texts
        ]
        row.documents.set(made)
        emit(row.workspace_id, "import.finished", {"import_id": str(row.pk), "documents": [str(d.pk) for d in made]})


def _with_pictures(body: str, kept: Mapping[str, str]) -> str:
    for address, lasting in kept.items():
        body = body.replace(address, lasting)
    return body


def _fail(row: Import, held: QuerySet[Import], message: str, remedy: str) -> None:
    failed = {"state": Import.State.FAILED, "lease_until": None, "finished_at": timezone.now()}
    if held.update(**failed, error=message, remedy=remedy) and row.pictures:
        drop_pictures(row)


def _fetch(actor: Actor, row: Import, held: QuerySet[Import]) -> None:
    """Fetch the page and keep it as the import's file, so that a second worker reads the same."""
    address, kind, content = asyncio.run(get_page(row.url))
    ending = TYPES.get(kind, "")
    if not ending:
        raise UnsupportedType(
            f"The address leads to {kind[:60] or 'something unknown'}, not to a text.",
            field="url",
            remedy="Download it and add it as a source.",
        )
    stem = re.sub(r"[^\w-]+", "-", urlsplit(address).path.rstrip("/").rpartition("/")[2].partition(".")[0]).strip("-")
    row.file = put_file(
        actor=actor,
        workspace=row.workspace,
        name=f"{stem[:80] or urlsplit(address).hostname or 'page'}{ending}",
        stream=BytesIO(content),
        content_type=kind,
        purpose="attachment",
    )
    held.update(file=row.file)


__all__ = ["get_import", "import_file", "import_url", "imports_for", "run_import", "sweep_imports"]
