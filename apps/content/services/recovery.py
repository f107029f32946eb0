"""The writers' work after a restore: what a drill tries, and what is made again."""

from __future__ import annotations

from typing import Any

from apps.content.markup.markdown import to_html
from apps.content.models import Document, DocumentVersion, EmbeddingIndex, SourceChunk
from apps.content.retrieval.hybrid import search_many
from apps.content.selectors.searching import query_words, ranked
from apps.content.services.ingesting import embed_missing
from apps.content.services.versioning import digest

_TRIED = 20


def open_document() -> dict[str, Any]:
    """Open documents as a writer would: their newest text is there and becomes a page."""
    rows = Document.objects.filter(deleted_at=None, current_version__isnull=False).select_related("current_version")
    opened = 0
    for document in rows.order_by("-updated_at")[:_TRIED]:
        version = document.current_version
        if version is None or not isinstance(to_html(version.body_markdown), str):
            return _finding("Opening documents", False, "a document has no text")
        opened += 1
    return _finding("Opening documents", True, f"{opened} opened" if opened else "there is none yet")


def find_words() -> dict[str, Any]:
    """Search for words of a document that is there, and find it."""
    rows = Document.objects.filter(deleted_at=None, current_version__isnull=False).select_related("current_version")
    for document in rows.order_by("-updated_at")[:_TRIED]:
        words = [word for word in query_words(document.title) if len(word) > 3][:4] or query_words(document.title)[:4]
        if not words:
            continue
        if document.pk in ranked(words, [document.workspace_id]):
            return _finding("Searching documents", True, "a document is found by the words of its title")
        return _finding("Searching documents", False, "a document is not found by the words of its title")
    return _finding("Searching documents", True, "there is none yet")


def find_passages() -> dict[str, Any]:
    """Search in sources: a passage is found by its own words; the vectors are read from the restored database."""
    chunk = SourceChunk.objects.order_by("-pk").first()
    if chunk is None:
        return _finding("Searching sources", True, "there is none yet")
    found = search_many(
        workspace_id=chunk.workspace_id, queries=[" ".join(chunk.text.split()[:12])], limit=10, embed=None
    )
    hit = any(each.source_id == chunk.source_id for each in found.hits)
    return _finding("Searching sources", hit, "a passage is found by its words" if hit else "a passage is not found")


def index_again() -> None:
    """Vector indexes are never trusted after a restore: they are made again from the vectors in the database."""
    EmbeddingIndex.objects.update(state=EmbeddingIndex.State.BROKEN, error="restored from a backup")


def digest_again(*, workspace_id: Any) -> None:
    """The texts of a copied workspace name its own pictures, so their digests are others."""
    changed = []
    versions = DocumentVersion.objects.filter(document__workspace_id=workspace_id, body_markdown__contains="/pictures/")
    for version in versions.iterator(chunk_size=200):
        found = digest(version.title, version.body_markdown)
        if found != version.sha256:
            version.sha256 = found
            changed.append(version)
    DocumentVersion.objects.bulk_update(changed, ["sha256"], batch_size=200)


def make_again() -> None:
    """Make from a copy's texts what was left out of it: the pages of documents, and the vectors of passages.

    The embedder of a copy is the built-in one, because the keys of all others were left out.
    """
    waiting = Document.objects.filter(body_html="").exclude(body_markdown="").order_by("pk")
    for document in waiting.only("pk", "body_markdown").iterator(chunk_size=200):
        # As it is: neither revision nor time of a document change by it.
        Document.objects.filter(pk=document.pk).update(body_html=to_html(document.body_markdown))
    while embed_missing():
        pass


def _finding(what: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": detail}
