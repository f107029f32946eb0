"""Reading where a text comes from: for the editor, the API and exports that disclose it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from apps.content.models import Document, DocumentVersion, Provenance
from apps.content.selectors.documents import get_document, get_version
from apps.users.selectors.access import Actor

ORIGINS = ("human", "ai", "ai_edited", "quoted")


@dataclass(frozen=True, slots=True)
class Origin:
    """Characters `start` to before `end` of the version's Markdown; `generation` is "" where none is known."""

    start: int
    end: int
    origin: str
    generation: str = ""


@dataclass(frozen=True, slots=True)
class ProvenanceView:
    """Where the text of a version comes from.

    Args:
        number: of the version; 0 when the document has none.
        spans: cover the Markdown of the version without gap and overlap.
        characters: how many of each origin.
    """

    number: int
    spans: list[Origin]
    characters: dict[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """Parts of the whole by origin, 0 to 1; all 0 for an empty text."""
        total = sum(self.characters.values())
        return {name: round(count / total, 4) if total else 0.0 for name, count in self.characters.items()}

    @property
    def disclosure(self) -> str:
        """The value of the attribute `data-ai-disclosure`: "none", "ai-assisted" or "ai-generated".

        A text is called generated when a model wrote more than half of it and people changed less than a tenth of it.
        """
        shares = self.shares
        if not shares["ai"] and not shares["ai_edited"]:
            return "none"
        return "ai-generated" if shares["ai"] > 0.5 and shares["human"] + shares["ai_edited"] < 0.1 else "ai-assisted"

    @property
    def summary(self) -> str:
        """One line for the end of an export: "Written by people 62 %, by AI 30 %, …"; "" for an empty text."""
        shares = self.shares
        words = {"human": "people", "ai": "AI", "ai_edited": "AI and then edited by people", "quoted": "quotations"}
        named = [f"{words[name]} {shares[name] * 100:.0f} %" for name in ORIGINS if round(shares[name] * 100)]
        return f"Origin of the text: {', '.join(named)}." if named else ""


def provenance_of(*, actor: Actor, document_id: uuid.UUID | str, number: int | None = None) -> ProvenanceView:
    """Where the text of a document comes from.

    Args:
        actor: who reads.
        document_id: which document.
        number: which version; the present one when left out.

    Raises:
        NotFound, PermissionDenied: document or version are not the actor's.
    """
    if number is None:
        document = get_document(actor=actor, document_id=document_id)
        return provenance_in(document, document.current_version)
    version = get_version(actor=actor, document_id=document_id, number=number)
    return provenance_in(version.document, version)


def provenance_in(document: Document, version: DocumentVersion | None) -> ProvenanceView:
    """The same for a document that the caller may read; for exports."""
    rows = rows_of(version) if version else [[0, len(document.body_markdown), "human"]]
    spans = [Origin(*row) for row in rows if row[1]]
    counted = dict.fromkeys(ORIGINS, 0)
    for span in spans:
        counted[span.origin] += span.end - span.start
    return ProvenanceView(version.number if version else 0, spans, counted)


def rows_of(version: DocumentVersion) -> list[list[Any]]:
    """The spans of a version as they are kept: [start, end, origin] and the generation where there is one.

    A version from before origins were kept is one span: a model's when a generation made it, else a person's.
    """
    kept = Provenance.objects.filter(version=version).values_list("spans", flat=True).first()
    if kept is not None:
        rows: list[list[Any]] = kept
        return rows
    length = len(version.body_markdown)
    if not length:
        return []
    if version.generation_id and version.reason == DocumentVersion.Reason.AI:
        return [[0, length, "ai", str(version.generation_id)]]
    return [[0, length, "human"]]
