"""Exact search: every vector of a workspace is compared, with numpy, straight from the database.

It needs no second store and cannot be behind it: it answers whenever Chroma is missing, broken or catching up. The
vectors of the last used workspaces stay in memory up to a limit, in single precision where they fit, else in half
precision, which numpy widens piece by piece (six times slower);
a workspace above the limit is read in pieces for every question, which is slow and still right.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

from aiwriter.core.late import numpy as np
from apps.content.models import SourceChunk
from apps.content.retrieval.vectors import STORED, STORED_BYTES, Matrix, top

if TYPE_CHECKING:
    import numpy.typing as npt

_ROWS = 4096


class VectorHit(NamedTuple):
    """A passage and the cosine of the angle between its vector and the question's."""

    chunk_id: uuid.UUID
    similarity: float


@dataclass(frozen=True, slots=True)
class _Block:
    ids: list[uuid.UUID]
    rows: npt.NDArray[np.float16] | Matrix


@dataclass(frozen=True, slots=True)
class _Kept:
    revision: int
    blocks: tuple[_Block, ...]
    size: int


_kept: OrderedDict[tuple[uuid.UUID, str], _Kept] = OrderedDict()
_lock = threading.Lock()


def search(
    *,
    workspace_id: uuid.UUID,
    embedder_id: str,
    vector: Matrix,
    revision: int,
    limit: int,
    source_ids: Collection[uuid.UUID] | None = None,
) -> list[VectorHit]:
    """The nearest passages.

    Args:
        workspace_id, embedder_id: whose vectors.
        vector: of length one.
        revision: of the vectors, `EmbeddingIndex.revision`; another one than last time means reading them again.
        limit: how many.
        source_ids: only passages of these sources; they are read for this question and not kept.
    """
    dimension = int(vector.shape[0])
    if source_ids is not None:
        blocks: Iterator[_Block] | tuple[_Block, ...] = _read(workspace_id, embedder_id, dimension, source_ids)
    else:
        kept = _remember(workspace_id, embedder_id, dimension, revision)
        blocks = kept.blocks if kept else _read(workspace_id, embedder_id, dimension, None)
    best: list[VectorHit] = []
    for block in blocks:
        # einsum and not @: the latter goes to a library that splits the work among threads which then wait for each other;
        # on a busy machine 10,000 vectors took 57 ms that way and take 2 ms this way.
        scores = np.einsum("ij,j->i", block.rows.astype(np.float32, copy=False), vector)
        best += [VectorHit(block.ids[at], float(scores[at])) for at in top(scores, limit)]
    best.sort(key=lambda hit: -hit.similarity)
    return best[:limit]


def forget() -> None:
    """Let go of all vectors in memory."""
    with _lock:
        _kept.clear()


def _budget() -> int:
    return int(getattr(settings, "AIWRITER_VECTOR_CACHE_MB", 128)) * 2**20


def _remember(workspace_id: uuid.UUID, embedder_id: str, dimension: int, revision: int) -> _Kept | None:
    """The vectors of a workspace in memory, or None when they do not fit."""
    key = (workspace_id, embedder_id)
    with _lock:
        kept = _kept.get(key)
        if kept is not None and kept.revision == revision:
            _kept.move_to_end(key)
            return kept
    count = SourceChunk.objects.embedded_by(workspace_id, embedder_id).count()
    size = count * dimension * STORED_BYTES
    if size > _budget():
        return None
    blocks = _read(workspace_id, embedder_id, dimension, None)
    if 2 * size <= _budget():
        size *= 2
        blocks = (_Block(block.ids, block.rows.astype(np.float32)) for block in blocks)
    fresh = _Kept(revision, tuple(blocks), size)
    with _lock:
        _kept[key] = fresh
        _kept.move_to_end(key)
        while sum(each.size for each in _kept.values()) > _budget() and len(_kept) > 1:
            _kept.popitem(last=False)
    return fresh


def _read(
    workspace_id: uuid.UUID, embedder_id: str, dimension: int, source_ids: Collection[uuid.UUID] | None
) -> Iterator[_Block]:
    rows = SourceChunk.objects.embedded_by(workspace_id, embedder_id).filter(dimension=dimension)
    if source_ids is not None:
        rows = rows.filter(source_id__in=list(source_ids))
    ids: list[uuid.UUID] = []
    data: list[bytes] = []
    for chunk_id, vector in rows.order_by().values_list("id", "vector").iterator(chunk_size=_ROWS):
        ids.append(chunk_id)
        data.append(bytes(vector or b""))
        if len(ids) == _ROWS:
            yield _block(ids, data, dimension)
            ids, data = [], []
    if ids:
        yield _block(ids, data, dimension)


def _block(ids: list[uuid.UUID], data: list[bytes], dimension: int) -> _Block:
    return _Block(ids, np.frombuffer(b"".join(data), dtype=STORED).reshape(len(ids), dimension))
