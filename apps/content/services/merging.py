"""A save that came too late: both texts are kept, what does not meet is joined, the writer decides about the rest."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from aiwriter.core.errors import InvalidInput
from apps.content.markup.markdown import normalise
from apps.content.markup.merge import CHOICES, Segment, assemble, conflicts, merge, merged_title
from apps.content.models import Document
from apps.content.selectors.documents import get_document
from apps.content.services.documents import save_document
from apps.content.services.histories import keep_beside
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record


@dataclass(frozen=True, slots=True)
class Text:
    """A title and Markdown."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Three texts made one, as far as that goes by itself.

    Args:
        theirs: the document as it is stored now.
        base: what both started from.
        mine: what came too late.
        title: the merged title; of a conflict the writer's own.
        title_conflict: both have changed the title, to different words.
        segments: of the text, in order.
    """

    theirs: Document
    base: Text
    mine: Text
    title: str
    title_conflict: bool
    segments: list[Segment]

    @property
    def open(self) -> int:
        """How many places the writer must decide, the title included."""
        return len(conflicts(self.segments)) + self.title_conflict

    def text(self, choices: Mapping[int, str]) -> str:
        """The merged text.

        Raises:
            InvalidInput: a place is not decided, or a choice is none.
        """
        checked = {}
        for number in range(len(conflicts(self.segments))):
            choice = choices.get(number)
            if choice not in CHOICES:
                raise InvalidInput(
                    f"Place {number + 1} is not decided.", field="choices", remedy=f"Choose {', '.join(CHOICES)}."
                )
            checked[number] = choice
        return normalise(assemble(self.segments, checked))


def merge_with_stored(*, actor: Actor, document_id: uuid.UUID | str, base: Text, mine: Text) -> Merge:
    """Look how a text that came too late goes together with the stored one. Nothing is written.

    Args:
        actor: who writes.
        document_id: which document.
        base: what the writer's text started from.
        mine: the writer's text.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    segments = merge(normalise(base.body), normalise(document.body_markdown), normalise(mine.body))
    title, title_conflict = merged_title(base.title, document.title, mine.title)
    return Merge(document, base, mine, title, title_conflict, segments)


def save_merged(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    revision: int,
    base: Text,
    mine: Text,
    choices: Mapping[int, str],
    title: str = "",
) -> Document:
    """Save the two texts as one. The writer's own is kept beside it as a version.

    Args:
        actor: who writes.
        document_id: which document.
        revision: of the stored text that the writer has seen.
        base: what the writer's text started from.
        mine: the writer's text.
        choices: for each place of conflict, by its number from 0: "mine", "theirs" or "both".
        title: "mine" or "theirs", when both have changed the title.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        StaleRevision: somebody saved once more in between.
        InvalidInput: a place is not decided.
    """
    found = merge_with_stored(actor=actor, document_id=document_id, base=base, mine=mine)
    text, chosen_title = found.text(choices), found.title
    if found.title_conflict:
        if title not in ("mine", "theirs"):
            raise InvalidInput("The title is not decided.", field="title", remedy="Choose mine or theirs.")
        chosen_title = mine.title if title == "mine" else found.theirs.title
    keep_beside(actor=actor, document_id=document_id, title=mine.title, body_markdown=mine.body)
    document = save_document(
        actor=actor,
        document_id=document_id,
        revision=revision,
        title=chosen_title,
        body_markdown=text,
        reason="merge",
    )
    record(actor, "document.merged", obj=document, after={"revision": document.revision, "decided": found.open})
    return document
