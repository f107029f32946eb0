"""Reads sources in: parse, cut into passages, embed, index. Batch by batch, oldest first."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
import uuid
from collections.abc import Sequence
from contextlib import ExitStack

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import AppError
from aiwriter_sdk import BackendError, EmbedResult
from apps.backends.services.filestore import local_copy
from apps.backends.services.models import embed
from apps.content.markup.chunks import chunk_document
from apps.content.markup.markdown import word_count
from apps.content.models import Source, SourceChunk
from apps.content.parsing.document import ParsedDocument
from apps.content.parsing.guard import ParseFailure, ParseItem, parse_files
from apps.content.retrieval import index
from apps.content.services.originals import next_look, renew_originals

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=120)
FILES = 16
TEXTS = 64
MAX_ATTEMPTS = 4
# Parsing and embedding use every core there is; two batches at once in one process would only take twice as long each.
_slot = threading.Lock()


def ingest() -> int:
    """Read everything that waits. Does nothing while this process is at it already.

    Returns:
        how many sources were read.
    """
    total = 0
    # Asked again after the slot is free: a message that came while the last batch ended found it taken.
    while _next_workspace() is not None and _slot.acquire(blocking=False):
        try:
            while batch := _claim_batch():
                _ingest(batch)
                total += len(batch)
        finally:
            _slot.release()
    if total:
        _sync_indexes()
    return total


def refresh_due(limit: int = 200) -> int:
    """Put sources into the queue whose time to be looked at again has come.

    Returns:
        how many.
    """
    due = Source.objects.filter(
        refresh_after__lte=timezone.now(),
        state__in=(Source.State.READY, Source.State.FAILED),
        kind__in=(Source.Kind.URL, Source.Kind.DOCUMENT),
    )
    ids = list(due.order_by("refresh_after").values_list("pk", flat=True)[:limit])
    # Once is enough: the state is asked again, so that two sweepers do not queue a source twice.
    return due.filter(pk__in=ids).update(
        state=Source.State.PENDING, attempts=0, queued_at=timezone.now(), refresh_after=None
    )


def sweep_sources() -> int:
    """Pick up what was left behind: sources whose message or worker was lost, passages without a vector.

    Returns:
        how many sources were read.
    """
    refresh_due()
    total = ingest()
    embed_missing()
    _sync_indexes()
    return total


def embed_missing(limit: int = 4 * TEXTS) -> int:
    """Embed passages of ready sources that have no vector, because no embedder answered when they were read.

    Returns:
        how many were embedded.
    """
    rows = list(
        SourceChunk.objects.filter(source__state=Source.State.READY, vector__isnull=True)
        .select_related("source")
        .order_by("workspace_id", "source_id", "ordinal")[:limit]
    )
    done = 0
    for start in range(0, len(rows), TEXTS):
        batch = [row for row in rows[start : start + TEXTS] if row.workspace_id == rows[start].workspace_id]
        try:
            index.store_vectors(batch, _embed(batch, rows[start].source))
        except (AppError, BackendError) as error:
            logger.warning("Passages still cannot be embedded: %s", error)
            return done
        done += len(batch)
    return done


def _sync_indexes() -> None:
    """Bring the vector store up to date where there is one; without it, or while it is down, exact search answers."""
    if not settings.AIWRITER_CHROMA_URL:
        return
    for workspace_id in index.behind():
        try:
            index.sync(workspace_id)
        except AppError as error:
            logger.warning("The vector index of workspace %s stays behind: %s", workspace_id, error)


class Taken:
    """A source that this process reads, with its claim."""

    def __init__(self, source: Source, fence: int) -> None:
        self.source = source
        self.fence = fence
        self.rows: list[SourceChunk] = []

    def update(self, **fields: object) -> bool:
        """A guarded write; False when the source was taken away or removed."""
        return bool(Source.objects.held(self.source.pk, fence=self.fence).update(**fields))

    def renew(self) -> bool:
        return Source.objects.renew(self.source.pk, fence=self.fence, lease=LEASE)

    def fail(self, code: str, message: str, remedy: str) -> None:
        """End it with what went wrong."""
        self.update(
            refresh_after=next_look(self.source),
            state=Source.State.FAILED,
            error_code=code[:40],
            error=message,
            remedy=remedy,
            lease_until=None,
            finished_at=timezone.now(),
        )


def _next_workspace() -> uuid.UUID | None:
    found: uuid.UUID | None = (
        Source.objects.claimable().order_by("queued_at").values_list("workspace_id", flat=True).first()
    )
    return found


def _claim_batch() -> list[Taken]:
    """Up to 16 waiting sources of one workspace: the parser's child serves one workspace at a time."""
    workspace_id = _next_workspace()
    if workspace_id is None:
        return []
    ids = (
        Source.objects.claimable().filter(workspace_id=workspace_id).order_by("queued_at").values_list("pk", flat=True)
    )
    taken = []
    for source_id in list(ids[:FILES]):
        fence = Source.objects.claim(source_id, lease=LEASE, to_state=Source.State.PARSING)
        if fence is None:
            continue
        source = (
            Source.objects.select_related("file__blob", "document", "workspace")
            .defer("text")
            .filter(pk=source_id)
            .first()
        )
        if source is None:
            continue
        each = Taken(source, fence)
        if source.attempts > MAX_ATTEMPTS:
            each.fail(
                "worker_lost",
                f"Reading it has ended the worker {MAX_ATTEMPTS} times.",
                "Remove it, or save it in another format and upload that.",
            )
            continue
        taken.append(each)
    return taken


def _ingest(batch: Sequence[Taken]) -> None:
    batch = renew_originals(batch)
    with ExitStack() as copies:
        items: list[ParseItem] = []
        by_key: dict[str, Taken] = {}
        for each in batch:
            try:
                if each.source.file is None:
                    each.fail("no_file", "Its file is gone.", "Upload it again.")
                    continue
                path = copies.enter_context(local_copy(each.source.file))
            except (AppError, OSError) as error:
                each.fail("unreadable", str(error), "Upload it again, or ask the operator to look at the storage.")
                continue
            by_key[str(each.source.pk)] = each
            items.append(ParseItem(str(each.source.pk), path, each.source.file.name, each.source.mime))
        scope = str(batch[0].source.workspace_id) if batch else ""
        for item, outcome in parse_files(items, scope=scope):
            each = by_key[item.key]
            for other in batch:
                other.renew()
            if isinstance(outcome, ParseFailure):
                each.fail(outcome.reason, outcome.message, outcome.remedy)
                continue
            try:
                _keep(each, outcome)
            except Exception:
                # One odd text must not leave fifteen other files waiting for their leases to run out.
                logger.exception("Source %s could not be kept", item.key)
                each.fail("internal", "Something went wrong on the server.", "Try it again, or tell the operator.")
    _embed_batch([each for each in batch if each.rows])


def _keep(each: Taken, document: ParsedDocument) -> None:
    source = each.source
    if source.kind == Source.Kind.URL and _says_the_same(source, document):
        # A page that differs in its menus or its date only: its passages and their vectors stay.
        _ready(each, list(document.warnings))
        return
    chunks = chunk_document(document.text, headings=document.headings, pages=document.pages, blocks=document.blocks)
    # A title that is still the file's name or the page's address gives way to the one that stands in the text.
    title = document.title[:300] if source.title == source.uri[:300] and document.title else source.title
    fields = {
        "state": Source.State.EMBEDDING,
        "title": title,
        "mime": document.mime,
        "text": document.text,
        "page_map": [[page.start, page.number] for page in document.pages],
        "outline": [[heading.start, heading.level, heading.text] for heading in document.headings],
        "word_count": word_count(document.text),
        "chunk_count": len(chunks),
        "page_count": len(document.pages),
        "warnings": list(document.warnings),
    }
    try:
        with transaction.atomic():
            if not each.update(**fields):
                return
            source.title = title
            each.rows = index.replace_chunks(source, chunks)
    except IntegrityError:
        # The source was removed while it was read.
        logger.info("Source %s is gone", source.pk)
        return
    if not each.rows:
        _ready(each, list(document.warnings))


def _says_the_same(source: Source, document: ParsedDocument) -> bool:
    return bool(source.chunk_count) and Source.objects.filter(pk=source.pk, text=document.text).exists()


def _embed_batch(batch: Sequence[Taken]) -> None:
    """Embed the passages of several sources together; short ones share a call.

    Those of one person only: a call is billed to somebody, and what they agreed to decides whether it is made.
    """
    for owner in dict.fromkeys(each.source.owner_id for each in batch):
        _embed_of_owner([each for each in batch if each.source.owner_id == owner])


def _embed_of_owner(batch: Sequence[Taken]) -> None:
    rows = [(each, row) for each in batch for row in each.rows]
    problem = ""
    for start in range(0, len(rows), TEXTS):
        part = rows[start : start + TEXTS]
        for each in batch:
            each.renew()
        if not problem:
            problem = _embed_part([row for _, row in part], part[0][0].source)
    for each in batch:
        _ready(each, [f"Found by words only for now: {problem}"] if problem else [])


def _embed_part(rows: list[SourceChunk], source: Source) -> str:
    """Embed and store. Returns what went wrong, or ""."""
    try:
        index.store_vectors(rows, _embed(rows, source))
    except (AppError, BackendError) as error:
        logger.warning("Passages could not be embedded: %s", error)
        return str(error)
    except IntegrityError:
        logger.info("Passages were removed while they were embedded")
    return ""


def _embed(rows: Sequence[SourceChunk], source: Source) -> EmbedResult:
    texts = [index.embedding_text(row) for row in rows]
    return asyncio.run(
        embed(workspace_id=source.workspace_id, user_id=source.owner_id, texts=texts, purpose="document")
    )


def _ready(each: Taken, warnings: list[str]) -> None:
    fields: dict[str, object] = {
        "state": Source.State.READY,
        "refresh_after": next_look(each.source),
        "lease_until": None,
        "finished_at": timezone.now(),
        "error_code": "",
        "error": "",
        "remedy": "",
    }
    if warnings:
        kept = Source.objects.filter(pk=each.source.pk).values_list("warnings", flat=True).first() or []
        fields["warnings"] = list(dict.fromkeys([*kept, *warnings]))
    each.update(**fields)
