"""Sources: what a writer brings along. They are taken in at once and read by a worker."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import AppError, Conflict, InvalidInput
from aiwriter.core.queue import enqueue
from apps.backends.models import StoredFile
from apps.backends.services.filestore import delete_file, put_file
from apps.content.markup.markdown import clean_text
from apps.content.models import Source, SourceChunk
from apps.content.retrieval import index
from apps.content.retrieval.hybrid import SearchResult, search
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.selectors.sources import get_source
from apps.content.services.fetching import check_url
from apps.content.services.passages import embedded
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MAX_TEXT = 5_000_000
MAX_HOURS = 8_760
_CHANGING = (Source.Kind.URL, Source.Kind.DOCUMENT)


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What became of one file of several."""

    name: str
    source: Source | None = None
    error: AppError | None = None


def add_file_source(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    name: str,
    stream: BinaryIO,
    content_type: str = "",
    title: str = "",
) -> Source:
    """Take a file in; a worker reads it. The same content in the same workspace is the same source.

    Args:
        actor: who adds it.
        workspace: the workspace, its id or its slug.
        name: file name, with its ending.
        stream: the bytes.
        content_type: as the browser said.
        title: shown in lists; the file's own title, or its name, when left out.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to add to.
        InvalidInput, TooLarge, StorageFull: the file cannot be taken.
    """
    require(actor, "sources.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    source = _add(actor, room, name, stream, content_type, title, Source.Kind.FILE)
    enqueue("content.ingest_sources")
    return source


def add_file_sources(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    files: Iterable[tuple[str, BinaryIO, str]],
) -> list[SourceResult]:
    """Take several files in; one that cannot be taken does not hold up the others.

    Args:
        actor: who adds them.
        workspace: the workspace, its id or its slug.
        files: (name, bytes, content type) of each.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to add to.
    """
    require(actor, "sources.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    results = []
    for name, stream, content_type in files:
        try:
            results.append(SourceResult(name, _add(actor, room, name, stream, content_type, "", Source.Kind.FILE)))
        except AppError as error:
            results.append(SourceResult(name, error=error))
    if any(result.source for result in results):
        enqueue("content.ingest_sources")
    return results


def add_text_source(*, actor: Actor, workspace: Workspace | uuid.UUID | str, title: str, text: str) -> Source:
    """Take a text in, Markdown or plain.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to add to.
        InvalidInput: the text is empty or longer than 5,000,000 characters.
    """
    require(actor, "sources.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    cleaned = clean_text(text)
    if not cleaned.strip():
        raise InvalidInput("The text is empty.", field="text", remedy="Paste the text that you want to quote.")
    if len(cleaned) > MAX_TEXT:
        raise InvalidInput(f"The text has {len(cleaned):,} characters.", field="text", remedy="Upload it as a file.")
    heading = " ".join(clean_text(title).split()) or next(line for line in cleaned.splitlines() if line.strip())
    heading = heading.strip("# ")[:300] or "Text"
    file_name = f"{heading[:80].replace('/', '-')}.md"
    source = _add(actor, room, file_name, BytesIO(cleaned.encode()), "text/markdown", heading, Source.Kind.TEXT)
    enqueue("content.ingest_sources")
    return source


def add_url_source(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    url: str,
    title: str = "",
    refresh_hours: int | None = None,
) -> Source:
    """Take a web page in; a worker fetches and reads it. The same address in the same workspace is the same source.

    Args:
        actor: who adds it.
        workspace: the workspace, its id or its slug.
        url: http or https; private addresses are refused when it is fetched.
        title: shown in lists; the page's own title when left out.
        refresh_hours: look again so often, 1 to 8,760 hours; None never.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to add to.
        InvalidInput: the address or the schedule cannot be used.
    """
    require(actor, "sources.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    address, hours = check_url(url), _hours(refresh_hours)
    known = Source.objects.filter(workspace=room, kind=Source.Kind.URL, uri=address).order_by("created_at").first()
    if known is not None:
        return known
    heading = " ".join(clean_text(title).split())[:300] or address[:300]
    with transaction.atomic():
        source = Source.objects.create(
            workspace=room, owner=actor.user, kind=Source.Kind.URL, title=heading, uri=address, refresh_hours=hours
        )
        record(actor, "source.added", obj=source, after={"kind": "url"})
        enqueue("content.ingest_sources")
    return source


def add_document_source(*, actor: Actor, document_id: uuid.UUID | str, refresh_hours: int | None = None) -> Source:
    """Make a document a source of its workspace. It is read as it is now, and again when it is refreshed.

    Args:
        actor: who adds it.
        document_id: which document.
        refresh_hours: look again so often, 1 to 8,760 hours; None only when somebody asks.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's, or its workspace not the actor's to add to.
        InvalidInput: the document is empty, or the schedule cannot be used.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "sources.write", workspace=document.workspace_id)
    hours = _hours(refresh_hours)
    if not document.body_markdown.strip():
        raise InvalidInput("The document is empty.", field="document_id", remedy="Write something first.")
    known = Source.objects.filter(workspace_id=document.workspace_id, document=document).order_by("created_at").first()
    if known is not None:
        return known
    with transaction.atomic():
        source = Source.objects.create(
            workspace_id=document.workspace_id,
            owner=actor.user,
            kind=Source.Kind.DOCUMENT,
            title=document.title,
            uri=f"document:{document.pk}",
            document=document,
            refresh_hours=hours,
        )
        record(actor, "source.added", obj=source, after={"kind": "document"})
        enqueue("content.ingest_sources")
    return source


def change_source(*, actor: Actor, source_id: uuid.UUID | str, **changes: Any) -> Source:
    """Change `title` or `refresh_hours` (None: never again by itself).

    Raises:
        NotFound, PermissionDenied: the source is not the actor's to change.
        InvalidInput: a value cannot be used.
        Conflict: the source is a file or a text, which cannot change by itself.
    """
    source = get_source(actor=actor, source_id=source_id)
    require(actor, "sources.write", workspace=source.workspace_id)
    fields: dict[str, Any] = {}
    if "title" in changes:
        fields["title"] = " ".join(clean_text(str(changes["title"] or "")).split())[:300]
        if not fields["title"]:
            raise InvalidInput("The source has no name.", field="title", remedy="Give it one.")
    if "refresh_hours" in changes:
        hours = _hours(changes["refresh_hours"])
        if hours and source.kind not in _CHANGING:
            raise _never_changes()
        fields["refresh_hours"] = hours
        fields["refresh_after"] = timezone.now() + dt.timedelta(hours=hours) if hours else None
    if fields:
        with transaction.atomic():
            Source.objects.filter(pk=source.pk).update(**fields, updated_at=timezone.now())
            record(actor, "source.changed", obj=source, after={"fields": sorted(fields)})
        source.refresh_from_db()
    return source


def refresh_source(*, actor: Actor, source_id: uuid.UUID | str) -> Source:
    """Look at a web page or document again; it is read anew only when it has changed.

    Raises:
        NotFound, PermissionDenied: the source is not the actor's to change.
        Conflict: it is being read, or it is a file or a text, which cannot change by itself.
    """
    source = get_source(actor=actor, source_id=source_id)
    require(actor, "sources.write", workspace=source.workspace_id)
    if source.kind not in _CHANGING:
        raise _never_changes()
    return _again(actor, source, "source.refreshed")


def delete_source(*, actor: Actor, source_id: uuid.UUID | str) -> None:
    """Remove a source, its passages and its file. Citations keep their quote and name it as it was.

    Raises:
        NotFound, PermissionDenied: the source is not the actor's to remove.
    """
    source = get_source(actor=actor, source_id=source_id)
    require(actor, "sources.write", workspace=source.workspace_id)
    file = source.file
    with transaction.atomic():
        record(actor, "source.deleted", obj=source)
        index.forget_source(source)
        source.delete()
        if file is not None and not Source.objects.filter(file=file).exists():
            delete_file(actor=actor, file=file)


def retry_source(*, actor: Actor, source_id: uuid.UUID | str) -> Source:
    """Read a source anew.

    Raises:
        NotFound, PermissionDenied: the source is not the actor's to change.
        Conflict: it is being read, or waits for it.
    """
    source = get_source(actor=actor, source_id=source_id)
    require(actor, "sources.write", workspace=source.workspace_id)
    # What the server said of the page the last time is forgotten, so that it is fetched and read whatever it says now.
    return _again(actor, source, "source.retried", etag="", last_modified="", chunk_count=0)


def _again(actor: Actor, source: Source, action: str, **fields: object) -> Source:
    with transaction.atomic():
        changed = Source.objects.filter(pk=source.pk, state__in=(Source.State.FAILED, Source.State.READY)).update(
            state=Source.State.PENDING,
            error_code="",
            error="",
            remedy="",
            attempts=0,
            queued_at=timezone.now(),
            refresh_after=None,
            **fields,
        )
        if not changed:
            raise Conflict("The source is being read already.", remedy="Wait until it is ready.")
        record(actor, action, obj=source)
        enqueue("content.ingest_sources")
    source.refresh_from_db()
    return source


def search_sources(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    query: str,
    source_ids: Collection[uuid.UUID | str] | None = None,
    limit: int = 12,
) -> SearchResult:
    """Find passages by words and by meaning.

    Args:
        actor: who asks.
        workspace: the workspace, its id or its slug.
        query: at most 2,000 characters.
        source_ids: only these; None means all.
        limit: 1 to 50 hits.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to read.
        InvalidInput: there is no question, or it is too long.
    """
    require(actor, "sources.read", workspace=workspace)
    room = get_workspace(actor, workspace)
    question = " ".join(clean_text(query).split())
    if not question or len(question) > 2_000:
        raise InvalidInput("The question is empty or too long.", field="query", remedy="Use 1 to 2,000 characters.")
    if not 1 <= limit <= 50:
        raise InvalidInput(f"limit is {limit}.", field="limit", remedy="Use 1 to 50.")
    begun = time.perf_counter()
    find = None
    if SourceChunk.objects.filter(workspace=room, vector__isnull=False).exists():
        find = asyncio.run(embedded([question], workspace_id=room.pk, user_id=actor.user_id))
    ids = None if source_ids is None else [as_uuid(each) for each in source_ids]
    found = search(workspace_id=room.pk, query=question, source_ids=ids, limit=limit, embed=find)
    return replace(found, milliseconds=round((time.perf_counter() - begun) * 1000, 1))


def _add(
    actor: Actor, room: Workspace, name: str, stream: BinaryIO, content_type: str, title: str, kind: str
) -> Source:
    name = PurePosixPath(name.replace("\\", "/")).name or "file"
    file = put_file(actor=actor, workspace=room, name=name, stream=stream, content_type=content_type, purpose="source")
    known = _same_content(room, file)
    if known is not None:
        delete_file(actor=actor, file=file)
        return known
    with transaction.atomic():
        source = Source.objects.create(
            workspace=room,
            owner=actor.user,
            kind=kind,
            title=title[:300] or name[:300],
            file=file,
            uri=name[:2000],
            sha256=file.blob.sha256,
            mime=content_type[:120],
            size_bytes=file.blob.size,
        )
        record(actor, "source.added", obj=source, after={"bytes": file.blob.size})
    return source


def _same_content(room: Workspace, file: StoredFile) -> Source | None:
    return (
        Source.objects.filter(workspace=room, sha256=file.blob.sha256, kind__in=(Source.Kind.FILE, Source.Kind.TEXT))
        .exclude(state=Source.State.FAILED)
        .order_by("created_at")
        .first()
    )


def _hours(value: int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_HOURS:
        raise InvalidInput(
            "The schedule is not a number of hours.", field="refresh_hours", remedy=f"Use 1 to {MAX_HOURS:,}."
        )
    return value


def _never_changes() -> Conflict:
    return Conflict(
        "A file or a pasted text does not change by itself.", remedy="Add the new one and remove this source."
    )
