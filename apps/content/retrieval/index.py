"""The vectors of a workspace: stored in the database, indexed in Chroma, found by whichever of the two can be trusted.

Each `EmbeddingIndex` row counts the changes of its vectors (`revision`) and says which change Chroma has seen
(`indexed_revision`). Chroma is asked only while both are equal and its collection holds as many vectors as the database;
in every other case the exact search answers at once, and `sync` brings Chroma up to date afterwards. Vectors of
different embedders never meet: each embedder has a row and collections of its own.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from aiwriter.core.errors import InvalidInput
from aiwriter_sdk import EmbedResult
from apps.content.markup.chunks import Chunk
from apps.content.models import EmbeddingIndex, Source, SourceChunk
from apps.content.retrieval import exact, store
from apps.content.retrieval.chroma import ChromaError
from apps.content.retrieval.exact import VectorHit
from apps.content.retrieval.store import Server, collection_metadata, collection_name
from apps.content.retrieval.upkeep import (
    IndexStatus,
    Verification,
    behind,
    drop_orphans,
    drop_workspace,
    rebuild,
    status,
    sync,
    verify,
)
from apps.content.retrieval.vectors import Matrix, pack, unit_rows

__all__ = [
    "Found",
    "IndexStatus",
    "Verification",
    "behind",
    "drop_orphans",
    "drop_workspace",
    "embedding_text",
    "forget_source",
    "nearest",
    "rebuild",
    "replace_chunks",
    "status",
    "store_vectors",
    "sync",
    "verify",
]

logger = logging.getLogger(__name__)

_RECOUNT_SECONDS = 30.0
# Chroma filters slowly (46 ms at 100,000 vectors, 1 % wanted); a few sources are read from the database faster.
_FILTERED_EXACTLY = 5_000


class Found(NamedTuple):
    """The nearest passages, and which engine found them: "chroma", "exact" or "none"."""

    hits: list[VectorHit]
    engine: str


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def replace_chunks(source: Source, chunks: Sequence[Chunk]) -> list[SourceChunk]:
    """Put a source's passages in place of its old ones, in one transaction.

    The title leads each heading path, so that both indexes know what a passage is about.

    Returns:
        the new rows, in order, without vectors.
    """
    rows = [
        SourceChunk(
            source=source,
            workspace_id=source.workspace_id,
            ordinal=chunk.ordinal,
            text=chunk.text,
            heading_path=_path(source.title, chunk.heading_path),
            page=chunk.page,
            char_start=chunk.char_start,
            char_end=chunk.char_end,
            token_count=chunk.tokens,
        )
        for chunk in chunks
    ]
    with transaction.atomic():
        forget_source(source)
        SourceChunk.objects.filter(source=source).delete()
        SourceChunk.objects.bulk_create(rows, batch_size=500)
    return rows


def _path(title: str, headings: str) -> str:
    first = headings.split(" > ", 1)[0]
    joined = headings if first.strip().lower() == title.strip().lower() else " > ".join(filter(None, (title, headings)))
    return joined[:500]


def embedding_text(row: SourceChunk) -> str:
    """What is embedded for a passage: where it stands, then its text."""
    return f"{row.heading_path}\n{row.text}" if row.heading_path else row.text


def store_vectors(rows: Sequence[SourceChunk], result: EmbedResult) -> None:
    """Keep vectors: first in the database, then, as far as it is up, in Chroma.

    Args:
        rows: passages of one workspace.
        result: their vectors in the same order.

    Raises:
        InvalidInput: the vectors do not fit the passages; nothing is stored.
    """
    if len(rows) != len(result.vectors):
        raise InvalidInput(f"{len(rows)} passages, but {len(result.vectors)} vectors came back.")
    if not rows:
        return
    workspace_id = rows[0].workspace_id
    if any(row.workspace_id != workspace_id for row in rows):
        raise InvalidInput("Passages of several workspaces cannot be stored in one call.")
    matrix = unit_rows(result.vectors, result.dimensions)
    for row, vector in zip(rows, matrix, strict=True):
        row.vector, row.vector_sha256 = pack(vector)
        row.embedder_id = result.fingerprint
        row.dimension = result.dimensions
    with transaction.atomic():
        SourceChunk.objects.bulk_update(rows, ["vector", "vector_sha256", "embedder_id", "dimension"], batch_size=100)
        row_id, revision = _changed(workspace_id, result.fingerprint, result.dimensions)
    transaction.on_commit(lambda: _add_to_chroma(row_id, revision, list(rows), matrix))


def forget_source(source: Source) -> None:
    """Take a source's vectors out of the index. Call it before the source or its passages are deleted."""
    embedders = (
        SourceChunk.objects.filter(source=source, vector__isnull=False)
        .order_by()
        .values_list("embedder_id", "dimension")
        .distinct()
    )
    for embedder_id, dimension in list(embedders):
        ids = list(SourceChunk.objects.filter(source=source, embedder_id=embedder_id).values_list("id", flat=True))
        with transaction.atomic():
            row_id, revision = _changed(source.workspace_id, embedder_id, dimension, removed=len(ids))
        transaction.on_commit(partial(_remove_from_chroma, row_id, revision, ids))


def _changed(workspace_id: uuid.UUID, embedder_id: str, dimension: int, *, removed: int = 0) -> tuple[uuid.UUID, int]:
    """Count a change of the vectors. Returns the index row and the number of the change."""
    row, _ = EmbeddingIndex.objects.get_or_create(
        workspace_id=workspace_id, embedder_id=embedder_id, defaults={"dimension": dimension}
    )
    count = SourceChunk.objects.embedded_by(workspace_id, embedder_id).count() - removed
    EmbeddingIndex.objects.filter(pk=row.pk).update(
        revision=F("revision") + 1, vectors_count=max(0, count), dimension=dimension
    )
    row.refresh_from_db(fields=["revision"])
    return row.pk, row.revision


def _add_to_chroma(row_id: uuid.UUID, revision: int, rows: list[SourceChunk], matrix: Matrix) -> None:
    def write(found: EmbeddingIndex, server: Server) -> None:
        server.client.add(found.collection, [row.id for row in rows], matrix, [row.source_id for row in rows])

    _apply(row_id, revision, write)


def _remove_from_chroma(row_id: uuid.UUID, revision: int, ids: list[uuid.UUID]) -> None:
    _apply(row_id, revision, lambda found, server: server.client.remove(found.collection, ids))


def _apply(row_id: uuid.UUID, revision: int, write: Callable[[EmbeddingIndex, Server], None]) -> None:
    """Bring one change into Chroma if it is the next one; else leave Chroma behind for `sync`."""
    server = store.server()
    row = EmbeddingIndex.objects.filter(pk=row_id).first()
    if server is None or row is None or row.state not in {EmbeddingIndex.State.READY, EmbeddingIndex.State.EMPTY}:
        return
    if time.monotonic() < server.quiet_until:
        EmbeddingIndex.objects.filter(pk=row_id).update(state=EmbeddingIndex.State.BEHIND)
        return
    try:
        if row.state == EmbeddingIndex.State.EMPTY and not row.collection:
            row.collection, row.generation = collection_name(row, 1), 1
            server.client.create(row.collection, metadata=collection_metadata(row))
            EmbeddingIndex.objects.filter(pk=row_id, collection="").update(
                collection=row.collection, generation=1, last_built_at=timezone.now()
            )
        write(row, server)
    except ChromaError as error:
        server.rest()
        logger.warning("Vector store: %s Exact search answers until it has caught up.", error)
        EmbeddingIndex.objects.filter(pk=row_id).update(state=EmbeddingIndex.State.BEHIND, error=str(error)[:500])
        return
    moved = EmbeddingIndex.objects.filter(pk=row_id, indexed_revision=revision - 1).update(
        indexed_revision=revision, state=EmbeddingIndex.State.READY, error=""
    )
    if not moved:
        EmbeddingIndex.objects.filter(pk=row_id).exclude(indexed_revision=F("revision")).update(
            state=EmbeddingIndex.State.BEHIND
        )


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def nearest(
    *,
    workspace_id: uuid.UUID,
    result: EmbedResult,
    limit: int,
    source_ids: Collection[uuid.UUID] | None = None,
) -> Found:
    """The passages whose vectors are nearest to the question's.

    Args:
        workspace_id: nothing outside it is found.
        result: the embedded question; only vectors of the same embedder are compared with it.
        limit: how many.
        source_ids: only in these sources.
    """
    row = EmbeddingIndex.objects.filter(workspace_id=workspace_id, embedder_id=result.fingerprint).first()
    if row is None or not row.vectors_count or (source_ids is not None and not source_ids):
        return Found([], "none")
    if row.dimension != result.dimensions:
        raise InvalidInput(
            "The embedding model changed its vectors without changing its name.",
            remedy="Read the sources of this workspace in again.",
        )
    vector = unit_rows(result.vectors[:1], result.dimensions)[0]
    server = store.server()
    if server is not None and _is_trusted(row, server) and not _is_few(row, source_ids):
        try:
            return Found(server.client.query(row.collection, vector, limit=limit, source_ids=source_ids), "chroma")
        except ChromaError as error:
            _distrust(row, server, error)
    hits = exact.search(
        workspace_id=workspace_id,
        embedder_id=row.embedder_id,
        vector=vector,
        revision=row.revision,
        limit=limit,
        source_ids=source_ids,
    )
    return Found(hits, "exact")


def _is_few(row: EmbeddingIndex, source_ids: Collection[uuid.UUID] | None) -> bool:
    if source_ids is None:
        return False
    wanted = SourceChunk.objects.embedded_by(row.workspace_id, row.embedder_id).filter(source_id__in=list(source_ids))
    return wanted.count() <= _FILTERED_EXACTLY


def _is_trusted(row: EmbeddingIndex, server: Server) -> bool:
    """Chroma has seen every change, and holds as many vectors as the database when it is counted now and then."""
    if row.state != EmbeddingIndex.State.READY or row.indexed_revision != row.revision or not row.collection:
        return False
    if time.monotonic() < server.quiet_until:
        return False
    revision, counted_at = server.counted.get(row.collection, (-1, 0.0))
    if revision == row.revision and time.monotonic() - counted_at < _RECOUNT_SECONDS:
        return True
    try:
        count = server.client.count(row.collection)
    except ChromaError as error:
        _distrust(row, server, error)
        return False
    if count != row.vectors_count:
        # Another process may be between its two writes, so the row is only marked when nothing changed meanwhile.
        EmbeddingIndex.objects.filter(pk=row.pk, revision=row.revision, indexed_revision=row.revision).update(
            state=EmbeddingIndex.State.BEHIND, error=f"The store holds {count} vectors, {row.vectors_count} are right."
        )
        return False
    server.counted[row.collection] = (row.revision, time.monotonic())
    return True


def _distrust(row: EmbeddingIndex, server: Server, error: ChromaError) -> None:
    logger.warning("Vector store: %s Exact search answers.", error)
    server.counted.pop(row.collection, None)
    if error.missing:
        EmbeddingIndex.objects.filter(pk=row.pk).update(
            state=EmbeddingIndex.State.BROKEN, error="The collection is missing in the vector store."
        )
    else:
        server.rest()
