"""Sources: what a writer brings along. They are taken in at once and read by a worker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO

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
from apps.content.selectors.documents import as_uuid
from apps.content.selectors.sources import get_source
from apps.content.services.passages import embedded
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MAX_TEXT = 5_000_000


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
    with transaction.atomic():
        changed = Source.objects.filter(pk=source.pk, state__in=(Source.State.FAILED, Source.State.READY)).update(
            state=Source.State.PENDING, error_code="", error="", remedy="", attempts=0, queued_at=timezone.now()
        )
        if not changed:
            raise Conflict("The source is being read already.", remedy="Wait until it is ready.")
        record(actor, "source.retried", obj=source)
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
    find = None
    if SourceChunk.objects.filter(workspace=room, vector__isnull=False).exists():
        find = asyncio.run(embedded([question], workspace_id=room.pk, user_id=actor.user_id))
    ids = None if source_ids is None else [as_uuid(each) for each in source_ids]
    return search(workspace_id=room.pk, query=question, source_ids=ids, limit=limit, embed=find)


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
        Source.objects.filter(workspace=room, sha256=file.blob.sha256)
        .exclude(state=Source.State.FAILED)
        .order_by("created_at")
        .first()
    )
