"""Citations: checked against the passages, and carried over into documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiwriter.core.ids import uuid7
from apps.content.markup.citations import CitationCheck, CitedPassage, verify_citations
from apps.content.models import Citation, Document, DocumentVersion, Generation, GenerationPassage
from apps.content.selectors.documents import MARKER, citations_in


def check(text: str, passages: Iterable[GenerationPassage]) -> list[Citation]:
    """Look every marker of a text up in the passages that the model was given.

    Args:
        text: what the model wrote.
        passages: of that generation.

    Returns:
        unsaved citations, in the order of the text; unverified ones say why.
    """
    return _rows(text, {passage.marker: passage for passage in passages})


def cite_version(version: DocumentVersion, generation: Generation, renamed: dict[str, str] | None = None) -> None:
    """Keep the citations of a generation's text with the version that it went into.

    Args:
        version: the version, saved.
        generation: where the text came from.
        renamed: markers of the generation and what they are called in the document.
    """
    passages = {(renamed or {}).get(p.marker, p.marker): p for p in generation.passages.all()}
    if not passages:
        return
    rows = [row for row in _rows(version.body_markdown, passages) if row.marker in passages]
    for row in rows:
        row.version, row.generation = version, generation
    Citation.objects.bulk_create(rows)


def copy_citations(document: Document, version: DocumentVersion) -> None:
    """Keep with the version of a copy what the markers of the original stand for.

    Args:
        document: the original.
        version: the first version of the copy.
    """
    shown = {view.marker for view in citations_in(document)}
    rows: dict[str, Citation] = {}
    for row in Citation.objects.filter(version__document=document, marker__in=shown).order_by("version__number"):
        kept = rows.get(row.marker)
        if kept is None or row.verified or not kept.verified:
            rows[row.marker] = row
    for row in rows.values():
        row.pk, row.version, row._state.adding = uuid7(), version, True
    Citation.objects.bulk_create(rows.values())


def renumber(text: str, generation: Generation, document: Document) -> tuple[str, dict[str, str]]:
    """Give the markers of a generated text numbers that fit into a document.

    A passage that the document cites already keeps that number; any other gets its own number where that is free, else
    the next free one.

    Returns:
        the text, and what each marker is called now.
    """
    known = {view.chunk_id: view.marker for view in citations_in(document) if view.chunk_id}
    taken = {match[1] for match in MARKER.finditer(document.body_markdown)}
    renamed: dict[str, str] = {}
    passages = {p.marker: p for p in generation.passages.all()}
    for match in MARKER.finditer(text):
        marker = match[1]
        if marker in renamed or marker not in passages:
            continue
        chunk_id = passages[marker].chunk_id
        name = (known.get(chunk_id) if chunk_id else None) or (marker if marker not in taken else "")
        if not name:
            name = str(max((int(number) for number in taken), default=0) + 1)
        renamed[marker] = name
        taken.add(name)
    return MARKER.sub(lambda match: f"[{renamed.get(match[1], match[1])}]", text), renamed


def as_event(citation: Citation) -> dict[str, Any]:
    """What a browser is told of a citation."""
    return {
        "marker": citation.marker,
        "verified": citation.verified,
        "quote": citation.quote,
        "reason": citation.reason,
        "chunk_id": str(citation.chunk_id) if citation.chunk_id else None,
        "source_id": str(citation.source_id) if citation.source_id else None,
        "source_title": citation.source_title,
        "locator": citation.locator,
        "start": citation.start,
        "end": citation.end,
        "score": round(citation.score, 4),
    }


def _rows(text: str, passages: dict[str, GenerationPassage]) -> list[Citation]:
    if not MARKER.search(text):
        return []
    cited = [CitedPassage(marker, passage.text, str(passage.pk)) for marker, passage in passages.items()]
    return [_row(found, passages.get(found.marker)) for found in verify_citations(text, cited)]


def _row(found: CitationCheck, passage: GenerationPassage | None) -> Citation:
    return Citation(
        marker=found.marker[:12],
        chunk_id=passage.chunk_id if passage else None,
        source_id=passage.source_id if passage else None,
        source_title=passage.title if passage else "",
        locator=passage.locator if passage else "",
        quote=found.quote,
        verified=found.verified,
        reason=found.reason[:200],
        score=found.score,
        start=found.start,
        end=found.end,
    )
