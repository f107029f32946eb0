"""Keeps the vector index right: catches up, rebuilds from the database, checks, cleans. No model is ever called."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import F, Q
from django.utils import timezone

from aiwriter.core.errors import Unavailable
from aiwriter.core.late import numpy as np
from apps.content.models import EmbeddingIndex, SourceChunk
from apps.content.retrieval import store
from apps.content.retrieval.chroma import BATCH, ChromaClient, ChromaError
from apps.content.retrieval.store import collection_metadata, collection_name
from apps.content.retrieval.vectors import Matrix, is_intact, unpack

logger = logging.getLogger(__name__)

_BUILD_LEASE = dt.timedelta(minutes=10)


class Verification(NamedTuple):
    """What a check of the index found.

    `vectors` in the database, `indexed` in Chroma, `probes` vectors that were looked up by themselves and `misses`
    that did not find themselves, `damaged` vectors whose checksum is wrong.
    """

    ok: bool
    vectors: int
    indexed: int
    probes: int
    misses: int
    damaged: int
    note: str


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """One row for the console."""

    workspace_id: uuid.UUID
    embedder_id: str
    state: str
    vectors: int
    behind: int
    generation: int
    last_built_at: dt.datetime | None
    error: str


def behind() -> list[uuid.UUID]:
    """Workspaces whose index waits for `sync`: behind, broken, never built, or left over from a stopped build."""
    waiting = EmbeddingIndex.objects.filter(
        Q(state__in=[EmbeddingIndex.State.BEHIND, EmbeddingIndex.State.BROKEN])
        | Q(state=EmbeddingIndex.State.EMPTY, vectors_count__gt=0)
        | Q(state=EmbeddingIndex.State.READY) & ~Q(indexed_revision=F("revision"))
        | Q(state=EmbeddingIndex.State.BUILDING, updated_at__lt=timezone.now() - _BUILD_LEASE)
    )
    return list(waiting.order_by().values_list("workspace_id", flat=True).distinct())


def sync(workspace_id: uuid.UUID) -> int:
    """Bring Chroma up to date with the database, by difference where its collection is whole.

    Returns:
        vectors written or removed.

    Raises:
        Unavailable: no vector store is configured, or it does not answer.
    """
    chroma = store.client()
    moved = 0
    for row in EmbeddingIndex.objects.filter(workspace_id=workspace_id):
        if row.state == EmbeddingIndex.State.READY and row.indexed_revision == row.revision:
            continue
        if row.state == EmbeddingIndex.State.BUILDING and row.updated_at > timezone.now() - _BUILD_LEASE:
            continue
        try:
            if row.state == EmbeddingIndex.State.BROKEN or not row.collection:
                moved += _build(row, chroma)
            else:
                moved += _catch_up(row, chroma)
        except ChromaError as error:
            raise _unavailable(row, error) from error
    return moved


def rebuild(workspace_id: uuid.UUID) -> int:
    """Make the collections of a workspace anew from the database and swap them in; no model is called.

    Searches go on meanwhile: they use the exact search until the new collection is complete.

    Returns:
        vectors in the new collections.

    Raises:
        Unavailable: no vector store is configured, or it does not answer.
    """
    chroma = store.client()
    written = 0
    for row in EmbeddingIndex.objects.filter(workspace_id=workspace_id):
        try:
            written += _build(row, chroma)
        except ChromaError as error:
            raise _unavailable(row, error) from error
    return written


def _unavailable(row: EmbeddingIndex, error: ChromaError) -> Unavailable:
    EmbeddingIndex.objects.filter(pk=row.pk).update(state=EmbeddingIndex.State.BROKEN, error=str(error)[:500])
    return Unavailable(str(error), remedy="Searches go on without it. Start the vector store, then try again.")


def _build(row: EmbeddingIndex, chroma: ChromaClient) -> int:
    old, generation, revision = row.collection, row.generation + 1, row.revision
    collection = collection_name(row, generation)
    EmbeddingIndex.objects.filter(pk=row.pk).update(
        state=EmbeddingIndex.State.BUILDING, generation=generation, updated_at=timezone.now()
    )
    chroma.drop(collection)
    chroma.create(collection, metadata=collection_metadata(row))
    written = 0
    for ids, source_ids, matrix in _stored(row, None):
        chroma.add(collection, ids, matrix, source_ids)
        written += len(ids)
        EmbeddingIndex.objects.filter(pk=row.pk).update(updated_at=timezone.now())
    count = SourceChunk.objects.embedded_by(row.workspace_id, row.embedder_id).count()
    EmbeddingIndex.objects.filter(pk=row.pk).update(
        collection=collection,
        state=EmbeddingIndex.State.READY if count else EmbeddingIndex.State.EMPTY,
        indexed_revision=revision,
        vectors_count=count,
        last_built_at=timezone.now(),
        error="",
    )
    if old and old != collection:
        chroma.drop(old)
    return written


def _catch_up(row: EmbeddingIndex, chroma: ChromaClient) -> int:
    revision = row.revision
    try:
        present = chroma.ids(row.collection)
    except ChromaError as error:
        if error.missing:
            return _build(row, chroma)
        raise
    stored = SourceChunk.objects.embedded_by(row.workspace_id, row.embedder_id)
    wanted = set(stored.values_list("id", flat=True))
    surplus, lacking = present - wanted, wanted - present
    chroma.remove(row.collection, sorted(surplus))
    for ids, source_ids, matrix in _stored(row, lacking):
        chroma.add(row.collection, ids, matrix, source_ids)
    EmbeddingIndex.objects.filter(pk=row.pk).update(
        state=EmbeddingIndex.State.READY, indexed_revision=revision, vectors_count=stored.count(), error=""
    )
    return len(surplus) + len(lacking)


def _stored(
    row: EmbeddingIndex, only: set[uuid.UUID] | None
) -> Iterator[tuple[list[uuid.UUID], list[uuid.UUID], Matrix]]:
    """Vectors of the database in batches. A damaged one is taken out of the database, so that it is embedded again."""
    chunks = SourceChunk.objects.embedded_by(row.workspace_id, row.embedder_id).order_by()
    ids: list[uuid.UUID] = []
    sources: list[uuid.UUID] = []
    vectors: list[Matrix] = []
    damaged: list[uuid.UUID] = []
    fields = ("id", "source_id", "vector", "vector_sha256")
    for chunk_id, source_id, vector, sha256 in chunks.values_list(*fields).iterator(chunk_size=BATCH):
        if only is not None and chunk_id not in only:
            continue
        if vector is None or not is_intact(vector, sha256):
            damaged.append(chunk_id)
            continue
        ids.append(chunk_id)
        sources.append(source_id)
        vectors.append(unpack(vector, row.dimension))
        if len(ids) == BATCH:
            yield ids, sources, np.stack(vectors)
            ids, sources, vectors = [], [], []
    if ids:
        yield ids, sources, np.stack(vectors)
    if damaged:
        logger.error("%d vectors of workspace %s are damaged; they are embedded again", len(damaged), row.workspace_id)
        for at in range(0, len(damaged), BATCH):
            SourceChunk.objects.filter(pk__in=damaged[at : at + BATCH]).update(
                vector=None, embedder_id="", dimension=0, vector_sha256=""
            )


def verify(workspace_id: uuid.UUID, *, probes: int = 20) -> Verification:
    """Check Chroma against the database: the count, the checksums of a sample, and whether each finds itself.

    Args:
        probes: size of the sample for each embedder.
    """
    vectors = indexed = asked = misses = damaged = 0
    notes: list[str] = []
    server = store.server()
    for row in EmbeddingIndex.objects.filter(workspace_id=workspace_id):
        stored = SourceChunk.objects.embedded_by(workspace_id, row.embedder_id)
        vectors += stored.count()
        # Ids alone are put into random order: with the vectors beside them the database would sort megabytes.
        chosen = list(stored.order_by("?").values_list("id", flat=True)[:probes])
        rows = list(stored.filter(pk__in=chosen).values_list("id", "vector", "vector_sha256"))
        sample = [(chunk_id, bytes(data or b"")) for chunk_id, data, sha256 in rows if is_intact(data or b"", sha256)]
        damaged += len(rows) - len(sample)
        if server is None:
            continue
        try:
            if not row.collection:
                server.client.heartbeat()
                continue
            indexed += server.client.count(row.collection)
            for chunk_id, data in sample:
                hits = server.client.query(row.collection, unpack(data, row.dimension), limit=3)
                asked += 1
                # A passage that stands twice in the sources may find its twin first.
                misses += chunk_id not in {hit.chunk_id for hit in hits} and not (hits and hits[0].similarity > 0.999)
        except ChromaError as error:
            notes.append(str(error))
            continue
        EmbeddingIndex.objects.filter(pk=row.pk).update(verified_at=timezone.now())
    # HNSW is approximate: a tenth of the sample may miss itself before the index counts as broken.
    ok = not notes and not damaged and indexed == vectors and misses <= asked // 10
    if not ok and server is not None and not notes:
        EmbeddingIndex.objects.filter(workspace_id=workspace_id).update(state=EmbeddingIndex.State.BROKEN)
        notes.append("The index differs from the database. It is rebuilt with the next run; exact search answers.")
    if server is None:
        ok, notes = not damaged, ["No vector store is configured; exact search answers."]
    if damaged:
        notes.append("Stored vectors are damaged; a rebuild takes them out, and they are embedded again.")
    return Verification(ok, vectors, indexed, asked, misses, damaged, " ".join(notes))


def drop_workspace(workspace_id: uuid.UUID) -> None:
    """Delete a workspace's collections in Chroma. Call it before the workspace is deleted; quiet when Chroma is away."""
    server = store.server()
    if server is None:
        return
    for row in EmbeddingIndex.objects.filter(workspace_id=workspace_id).exclude(collection=""):
        try:
            server.client.drop(row.collection)
        except ChromaError as error:
            logger.warning("Collection %s was left in the vector store: %s", row.collection, error)


def drop_orphans() -> list[str]:
    """Delete collections of ours that no row names any more. Returns their names.

    Raises:
        Unavailable: no vector store is configured, or it does not answer.
    """
    chroma = store.client()
    try:
        known = set(EmbeddingIndex.objects.values_list("collection", flat=True))
        building = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.BUILDING)
        known |= {collection_name(row, row.generation) for row in building}
        orphans = [name for name in chroma.names() if name.startswith("ws-") and name not in known]
        for name in orphans:
            chroma.drop(name)
    except ChromaError as error:
        raise Unavailable(str(error)) from error
    return orphans


def status(workspace_id: uuid.UUID | None = None) -> list[IndexStatus]:
    """The indexes of one workspace or of all, for the console and for health checks."""
    rows = (
        EmbeddingIndex.objects.all()
        if workspace_id is None
        else EmbeddingIndex.objects.filter(workspace_id=workspace_id)
    )
    return [
        IndexStatus(
            workspace_id=row.workspace_id,
            embedder_id=row.embedder_id,
            state=row.state,
            vectors=row.vectors_count,
            behind=row.revision - row.indexed_revision,
            generation=row.generation,
            last_built_at=row.last_built_at,
            error=row.error,
        )
        for row in rows
    ]
