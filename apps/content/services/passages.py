"""Looking up passages for a generation: once, and kept, so that whoever takes over goes on with the same."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from aiwriter.core.errors import AppError
from aiwriter.core.threads import in_thread
from aiwriter_sdk import BackendError, EmbedResult, Passage
from apps.backends.services.models import embed
from apps.content.models import Generation, GenerationPassage, Source, SourceChunk
from apps.content.retrieval.hybrid import Hit, search_many
from apps.content.services.claims import Claim
from apps.content.services.pages import page_passages
from apps.content.services.prompts import PASSAGES, queries_for

logger = logging.getLogger(__name__)
MAX_PASSAGE = 4_000
_MOST_FOR_SECTION = 30
# A writer waits for it; words alone find enough.
QUERY_SECONDS = 15.0


async def passages_for(claim: Claim) -> list[GenerationPassage]:
    """The passages of a generation; looked up when that has not been done.

    Args:
        claim: a held generation.
    """
    if claim.row.retrieved or claim.has_passages:
        return await in_thread(_stored, claim)
    pages = [passage for url in claim.row.input.get("pages", ()) for passage in await page_passages(url)]
    hits = await _hits(claim)
    # Nothing looked up, nothing to keep: the shortest way to the first word.
    return [] if hits is None and not pages else await in_thread(_store, claim, hits or (), pages)


async def _hits(claim: Claim) -> list[Hit] | None:
    """What the sources say; None when there is nothing to ask them."""
    row, input_ = claim.row, claim.row.input
    queries = queries_for(row.kind, input_["brief"], input_.get("context", {}))
    wanted = _wanted(claim)
    # An empty choice of sources needs no look at the database.
    if not wanted or not queries or input_.get("source_ids") == [] or not await in_thread(_anything_to_search, claim):
        return None
    find = await embedded(queries, workspace_id=row.workspace_id, user_id=row.requested_by_id)
    return await in_thread(_search, claim, queries, wanted, find)


async def embedded(
    queries: Sequence[str], *, workspace_id: uuid.UUID, user_id: uuid.UUID | None
) -> Callable[[str], EmbedResult] | None:
    """Embed questions in one call.

    Returns:
        gives the vector of each of them; None when no embedder answers, so that the search goes by words alone.
    """
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            result = await embed(workspace_id=workspace_id, user_id=user_id, texts=list(queries), purpose="query")
    except (AppError, BackendError, TimeoutError) as error:
        logger.warning("Questions could not be embedded, searching by words: %s", error)
        return None
    vectors = dict(zip(queries, result.vectors, strict=True))
    return lambda query: EmbedResult(
        vectors=[vectors[query]], dimensions=result.dimensions, fingerprint=result.fingerprint
    )


def as_passages(rows: Sequence[GenerationPassage]) -> list[Passage]:
    """Passages as a model backend gets them."""
    return [
        Passage(marker=row.marker, title=row.title, text=row.text, score=row.score, locator=row.locator) for row in rows
    ]


def as_event(row: GenerationPassage) -> dict[str, Any]:
    """What a browser is told of a passage; not its text, which it fetches when somebody looks."""
    return {
        "marker": row.marker,
        "title": row.title,
        "locator": row.locator,
        "score": round(row.score, 4),
        "chunk_id": str(row.chunk_id) if row.chunk_id else None,
        "source_id": str(row.source_id) if row.source_id else None,
    }


def _wanted(claim: Claim) -> int:
    """How many passages to look for; 0 where the wish is about given text only."""
    kind, brief = claim.row.kind, claim.row.input["brief"]
    use = brief.get("use_sources", kind not in ("rewrite", "title"))
    if kind == "section" and use:
        # A long section needs more to quote from: one passage has about a hundred words.
        return max(PASSAGES[kind], min(_MOST_FOR_SECTION, int(brief.get("length") or 0) // 60))
    return PASSAGES[kind] if use else 0


def _source_ids(claim: Claim) -> list[uuid.UUID] | None:
    ids = claim.row.input.get("source_ids")
    return None if ids is None else [uuid.UUID(each) for each in ids]


def _anything_to_search(claim: Claim) -> bool:
    ids = _source_ids(claim)
    rows = SourceChunk.objects.filter(workspace_id=claim.row.workspace_id)
    return (rows if ids is None else rows.filter(source_id__in=ids)).exists()


def _search(claim: Claim, queries: Sequence[str], limit: int, find: Callable[[str], EmbedResult] | None) -> list[Hit]:
    found = search_many(
        workspace_id=claim.row.workspace_id,
        queries=queries,
        limit=limit,
        source_ids=_source_ids(claim),
        embed=find,
    )
    return found.hits


def _stored(claim: Claim) -> list[GenerationPassage]:
    return list(claim.row.passages.order_by("ordinal"))


def _store(claim: Claim, hits: Sequence[Hit], pages: Sequence[Passage] = ()) -> list[GenerationPassage]:
    read = [
        GenerationPassage(
            generation=claim.row,
            marker=str(number),
            ordinal=number,
            title=page.title[:300],
            locator=page.locator[:560],
            text=page.text[:MAX_PASSAGE],
            score=page.score,
        )
        for number, page in enumerate(pages, start=1)
    ]
    rows = [
        GenerationPassage(
            generation=claim.row,
            marker=str(number),
            ordinal=number,
            chunk_id=hit.chunk_id,
            source_id=hit.source_id,
            title=hit.title,
            locator=hit.locator,
            text=hit.text[:MAX_PASSAGE],
            score=hit.score,
        )
        for number, hit in enumerate(hits, start=len(read) + 1)
    ]
    with transaction.atomic():
        held = Generation.objects.held(claim.row.pk, fence=claim.fence).filter(retrieved=False)
        if not held.update(retrieved=True):
            return _stored(claim)
        # A source may be removed between the search and now; its passage is then not quoted.
        there = set(Source.objects.filter(pk__in={row.source_id for row in rows}).values_list("pk", flat=True))
        chunks = set(SourceChunk.objects.filter(pk__in=[row.chunk_id for row in rows]).values_list("pk", flat=True))
        rows = [row for row in rows if row.source_id in there and row.chunk_id in chunks]
        return GenerationPassage.objects.bulk_create([*read, *rows])
