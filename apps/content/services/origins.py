"""Keeps the origins of a text along with its versions."""

from __future__ import annotations

import uuid

from apps.content.markup.provenance import Span, as_json, from_json, shares, trace
from apps.content.models import DocumentVersion, Generation, Provenance
from apps.content.selectors.provenance import rows_of


def origins_of(version: DocumentVersion | None) -> list[Span]:
    """The spans of a version; none without one."""
    return from_json(rows_of(version)) if version is not None else []


def keep_origins(
    version: DocumentVersion, *, before: str, spans: list[Span], generation: Generation | None = None
) -> None:
    """Work out and store where the text of a version comes from.

    Args:
        version: saved, with its new text.
        before: the text of the document before.
        spans: its origins.
        generation: whose text was taken over with this version.
    """
    found = _restored(version)
    if found is None:
        written = generation.output_markdown if generation is not None else None
        found = trace(
            before,
            spans,
            version.body_markdown,
            written=written,
            generation=str(generation.pk) if generation is not None else "",
        )
    Provenance.objects.update_or_create(version=version, defaults={"spans": as_json(found), **shares(found)})


def retrace(version: DocumentVersion, generation: Generation) -> None:
    """Work the origins of the newest version out again, for a generation that became known after the version was made."""
    previous = _previous(version.document_id, version.number)
    before = previous.body_markdown if previous else ""
    keep_origins(version, before=before, spans=origins_of(previous), generation=generation)


def _previous(document_id: uuid.UUID, number: int) -> DocumentVersion | None:
    return DocumentVersion.objects.filter(document_id=document_id, number__lt=number).order_by("-number").first()


def _restored(version: DocumentVersion) -> list[Span] | None:
    """The origins of the earlier version that was made the text again: its words are not new."""
    if version.reason != DocumentVersion.Reason.RESTORE:
        return None
    same = (
        DocumentVersion.objects.filter(
            document_id=version.document_id, sha256=version.sha256, number__lt=version.number
        )
        .order_by("-number")
        .first()
    )
    return origins_of(same) if same else None
