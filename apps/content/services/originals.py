"""The originals of sources that change by themselves: web pages and documents. Looked at before each reading."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from io import BytesIO
from typing import IO, Protocol, TypeVar

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import AppError
from apps.backends.models import StoredFile
from apps.backends.services.filestore import delete_file, put_file
from apps.content.models import Source
from apps.content.services.fetching import Page, Wanted, fetch_all
from apps.users.selectors.access import Actor

logger = logging.getLogger(__name__)
_READER = Actor.system_actor("sources")


class Claimed(Protocol):
    """A source that a worker holds; see `apps.content.services.ingesting`."""

    source: Source

    def update(self, **fields: object) -> bool:
        """A guarded write."""

    def fail(self, code: str, message: str, remedy: str) -> None:
        """End it with what went wrong."""


Held = TypeVar("Held", bound=Claimed)


def next_look(source: Source) -> dt.datetime | None:
    """When a source with a schedule is to be looked at again."""
    return timezone.now() + dt.timedelta(hours=source.refresh_hours) if source.refresh_hours else None


def renew_originals(batch: Sequence[Held]) -> list[Held]:
    """Fetch the pages and documents of a batch, and end what need not be read again.

    A page that cannot be fetched any more, or a document that was deleted, keeps the text and the passages that it has;
    the source says since when.

    Args:
        batch: sources that the caller holds.

    Returns:
        those whose file is to be read: all files, and the pages and documents that have changed.
    """
    pages = [each for each in batch if each.source.kind == Source.Kind.URL]
    wanted = [Wanted(each.source.uri, each.source.etag, each.source.last_modified) for each in pages]
    answers = dict(zip((each.source.pk for each in pages), fetch_all(wanted), strict=True))
    left: list[Held] = []
    for each in batch:
        answer = answers.get(each.source.pk)
        if isinstance(answer, AppError):
            _keep_old(each, answer.code, answer.message, answer.remedy)
        elif answer is not None:
            if _take_page(each, answer):
                left.append(each)
        elif each.source.kind != Source.Kind.DOCUMENT or _take_document(each):
            left.append(each)
    return left


def _take_page(each: Claimed, page: Page) -> bool:
    seen = {"etag": page.etag, "last_modified": page.last_modified, "fetched_at": timezone.now()}
    if page.content is None:
        return _unchanged(each, seen)
    with page.content as content:
        return _take(each, page.name, content, page.content_type, seen)


def _take_document(each: Claimed) -> bool:
    document = each.source.document
    if document is None or document.deleted_at is not None:
        _keep_old(each, "document_gone", "The document was deleted.", "Take it out of the bin, or remove this source.")
        return False
    if not document.body_markdown.strip():
        _keep_old(each, "empty", "The document is empty.", "Write something, then refresh it.")
        return False
    text = BytesIO(f"# {document.title}\n\n{document.body_markdown}".encode())
    seen: dict[str, object] = {"fetched_at": timezone.now(), "title": document.title}
    each.source.title = document.title
    return _take(each, f"{document.slug or 'document'}.md", text, "text/markdown", seen)


def _take(each: Claimed, name: str, content: IO[bytes], content_type: str, seen: dict[str, object]) -> bool:
    """Store what came, unless it is what is there. True: it is to be read."""
    source = each.source
    try:
        file = put_file(
            actor=_READER,
            workspace=source.workspace,
            name=name,
            stream=content,
            content_type=content_type,
            purpose="source",
        )
    except AppError as error:
        _keep_old(each, error.code, error.message, error.remedy)
        return False
    old = source.file
    if old is not None and old.blob_id == file.blob_id and source.chunk_count:
        delete_file(actor=_READER, file=file)
        return _unchanged(each, seen)
    if not _point_at(each, file, seen):
        delete_file(actor=_READER, file=file)
        return False
    if old is not None and not Source.objects.filter(file=old).exists():
        delete_file(actor=_READER, file=old)
    return True


def _point_at(each: Claimed, file: StoredFile, seen: dict[str, object]) -> bool:
    source = each.source
    fields = {**seen, "file": file, "sha256": file.blob.sha256, "size_bytes": file.blob.size}
    with transaction.atomic():
        if not each.update(**fields):
            return False
    source.file = file
    source.mime = file.content_type
    return True


def _unchanged(each: Claimed, seen: dict[str, object]) -> bool:
    """End it as it was: what it says has not changed since it was read."""
    each.update(**seen, **_settled(each.source))
    return False


def _keep_old(each: Claimed, code: str, message: str, remedy: str) -> None:
    if not each.source.chunks.exists():
        each.fail(code, message, remedy)
        return
    logger.info("Source %s stays as it was: %s", each.source.pk, message)
    settled = _settled(each.source) | {"error_code": code[:40], "error": message, "remedy": remedy}
    each.update(**settled)


def _settled(source: Source) -> dict[str, object]:
    return {
        "state": Source.State.READY,
        "lease_until": None,
        "finished_at": timezone.now(),
        "refresh_after": next_look(source),
        "error_code": "",
        "error": "",
        "remedy": "",
    }
