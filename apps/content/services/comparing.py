"""Two versions of a document beside each other."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from apps.content.markup import diff as differences
from apps.content.markup.diff import DiffOp, DiffRow, Part
from apps.content.models import DocumentVersion
from apps.content.selectors.documents import get_version
from apps.users.selectors.access import Actor


@dataclass(frozen=True, slots=True)
class DiffView:
    """What changed between two versions."""

    from_version: DocumentVersion
    to_version: DocumentVersion
    ops: list[DiffOp]
    inserted_words: int
    deleted_words: int
    title_changed: bool

    def inline(self) -> list[Part]:
        """(kind, text) for one column; plain text, to be escaped."""
        return differences.inline(self.ops)

    def side_by_side(self) -> list[DiffRow]:
        """Rows for two columns; plain text, to be escaped."""
        return differences.side_by_side(self.ops)


def diff_versions(*, actor: Actor, document_id: uuid.UUID | str, from_number: int, to_number: int) -> DiffView:
    """Compare two versions word by word.

    Raises:
        NotFound: the document or a version is not there for this actor.
    """
    before = get_version(actor=actor, document_id=document_id, number=from_number)
    after = get_version(actor=actor, document_id=document_id, number=to_number)
    ops = differences.diff(before.body_markdown, after.body_markdown)
    inserted, deleted = differences.changed_words(ops)
    return DiffView(before, after, ops, inserted, deleted, before.title != after.title)
