"""Writing documents: every change of the text makes a version, and nobody overwrites what they have not seen."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from apps.content.markup.markdown import clean_text, to_html, word_count
from apps.content.models import Document, DocumentVersion, Generation
from apps.content.selectors.documents import as_uuid, get_document
from apps.content.selectors.organising import writing_settings
from apps.content.services.anchoring import carry_comments
from apps.content.services.citing import copy_citations
from apps.content.services.collections import parent_in
from apps.content.services.deliveries import document_facts, emit
from apps.content.services.tags import tags_named
from apps.content.services.versioning import add_version
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require, workspaces_of
from apps.users.services.audit import record

MAX_TITLE = 300
MAX_BODY = 5_000_000


class StaleRevision(Conflict):
    """Somebody has changed the document since it was read.

    Args:
        current: the revision that is stored now.
    """

    def __init__(self, current: int) -> None:
        super().__init__(
            f"The document has changed since you opened it; it is at revision {current} now.",
            field="revision",
            remedy="Compare your text with the present one, then save again with the new revision.",
        )
        self.current_revision = current


def create_document(
    *,
    actor: Actor,
    workspace: Workspace | uuid.UUID | str,
    title: str,
    body_markdown: str = "",
    kind: str = "article",
    language: str = "",
    brief: Mapping[str, Any] | None = None,
    reason: str = "manual",
    generation: Generation | None = None,
    collection_id: uuid.UUID | str | None = None,
    tags: Iterable[str] = (),
) -> Document:
    """Make a document and its first version.

    Args:
        actor: who writes; becomes the owner.
        workspace: the workspace, its id or its slug.
        title: at most 300 characters; an empty one becomes "Untitled".
        body_markdown: the text.
        kind: a word for the kind of text, "article".
        language: language tag, "en" or "de-AT"; empty: the workspace's.
        brief: what the writer was asked for.
        reason: one of `DocumentVersion.Reason`.
        generation: the generation that wrote the text.
        collection_id: where it goes; None: into the workspace's default collection, if it has one.
        tags: names; unknown ones are made.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to write in.
        InvalidInput, TooLarge: a value cannot be used.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    title, body = check_title(title), check_body(body_markdown)
    html = to_html(body)
    preferred = writing_settings(room)
    chosen = collection_id or preferred.default_collection_id
    with transaction.atomic():
        document = Document.objects.create(
            workspace=room,
            owner=actor.user,
            collection=parent_in(room.pk, chosen),
            title=title,
            slug=slugify(title)[:120],
            language=_word("language", language or preferred.language, 12),
            kind=_word("kind", kind, 40),
            brief=_brief(brief or {}),
            body_markdown=body,
            body_html=html,
            word_count=word_count(body),
        )
        add_version(document, actor=actor, reason=_reason(reason), label="", generation=generation)
        if named := list(tags):
            document.tags.set(tags_named(room.pk, named))
        record(actor, "document.created", obj=document)
    return document


def duplicate_document(*, actor: Actor, document_id: uuid.UUID | str, title: str = "") -> Document:
    """Make a document with the same text, brief, citations, tags and collection. Its history begins anew.

    Args:
        actor: who copies; becomes the owner.
        document_id: which.
        title: of the copy; "… (copy)" when empty.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to read, or the workspace not to write in.
        InvalidInput: the title is too long.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    with transaction.atomic():
        copy = create_document(
            actor=actor,
            workspace=found.workspace_id,
            title=title or gettext("%(title)s (copy)") % {"title": found.title[: MAX_TITLE - 20]},
            body_markdown=found.body_markdown,
            kind=found.kind,
            language=found.language,
            brief=found.brief,
            collection_id=found.collection_id,
        )
        copy.tags.set(found.tags.all())
        if copy.current_version:
            copy_citations(found, copy.current_version)
        record(actor, "document.duplicated", obj=copy, after={"from": str(found.pk)})
    return copy


def save_document(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    revision: int | None,
    title: str | None = None,
    body_markdown: str | None = None,
    brief: Mapping[str, Any] | None = None,
    language: str | None = None,
    reason: str = "manual",
    label: str = "",
    generation_id: uuid.UUID | str | None = None,
) -> Document:
    """Change a document. What is None stays as it is; an equal text makes no version.

    Args:
        actor: who writes.
        document_id: which document.
        revision: the revision that the actor has seen; None writes whatever is there.
        title: at most 300 characters.
        body_markdown: the whole text.
        brief: what the writer was asked for.
        language: language tag.
        reason: one of `DocumentVersion.Reason`. Automatic saves within five minutes grow one version.
        label: a name for the version.
        generation_id: the generation whose text was taken over, for the record and for its citations.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        StaleRevision: somebody else saved in between.
        Conflict: the document is archived.
        InvalidInput, TooLarge: a value cannot be used.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    reason = _reason(reason)
    new_title = found.title if title is None else check_title(title)
    body = found.body_markdown if body_markdown is None else check_body(body_markdown)
    # Rendered before the row is locked: 50,000 words take a third of a second.
    html = found.body_html if body == found.body_markdown else to_html(body)
    generation = _generation(actor, generation_id)
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        if title is None:
            new_title = document.title
        if body_markdown is None:
            body, html = document.body_markdown, document.body_html
        if document.status == Document.Status.ARCHIVED:
            raise Conflict("The document is archived.", remedy="Take it out of the archive first.")
        text_changed = (new_title, body) != (document.title, document.body_markdown)
        changed = text_changed
        if brief is not None and (brief := _brief(brief)) != document.brief:
            document.brief, changed = brief, True
        if language is not None and (language := _word("language", language, 12)) != document.language:
            document.language, changed = language, True
        if not changed:
            return document
        document.revision += 1
        if text_changed:
            if body != document.body_markdown:
                carry_comments(document.pk, document.body_markdown, body)
            document.title, document.slug = new_title, slugify(new_title)[:120]
            document.body_markdown, document.body_html = body, html
            document.word_count = word_count(body)
            document.save()
            add_version(document, actor=actor, reason=reason, label=label, generation=generation)
        else:
            document.save()
        emit(document.workspace_id, "document.updated", document_facts(document), subject=str(document.pk))
    return document


def delete_document(*, actor: Actor, document_id: uuid.UUID | str, revision: int | None = None) -> None:
    """Put a document into the bin.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to delete.
        StaleRevision: somebody changed it in between.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.delete", workspace=found.workspace_id)
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        document.deleted_at = timezone.now()
        document.save(update_fields=["deleted_at", "updated_at"])
        record(actor, "document.deleted", obj=document)


def undelete_document(*, actor: Actor, document_id: uuid.UUID | str) -> Document:
    """Take a document out of the bin.

    Raises:
        NotFound, PermissionDenied: no such document lies in the bin of the actor's workspaces.
    """
    document = get_document(actor=actor, document_id=document_id, deleted=True)
    require(actor, "content.delete", workspace=document.workspace_id)
    with transaction.atomic():
        document.deleted_at = None
        document.save(update_fields=["deleted_at", "updated_at"])
        record(actor, "document.restored", obj=document)
    return document


def lock_document(document_id: uuid.UUID, revision: int | None) -> Document:
    """The row, held until the end of the transaction (on SQLite the transaction itself is the lock).

    Raises:
        NotFound: it was deleted in between.
        StaleRevision: it is at another revision.
    """
    document = Document.objects.kept().select_for_update().filter(pk=document_id).first()
    if document is None:
        raise NotFound("The document was deleted in the meantime.", remedy="Take it out of the bin first.")
    if revision is not None and document.revision != revision:
        raise StaleRevision(document.revision)
    return document


def _generation(actor: Actor, generation_id: uuid.UUID | str | None) -> Generation | None:
    if not generation_id:
        return None
    found = Generation.objects.filter(pk=as_uuid(generation_id), workspace__in=workspaces_of(actor)).first()
    if found is None:
        raise NotFound("There is no such generation.", field="generation_id")
    return found


def check_title(title: str) -> str:
    """A title as it is kept.

    Raises:
        InvalidInput: it is too long.
    """
    cleaned = " ".join(clean_text(title).split())
    if len(cleaned) > MAX_TITLE:
        raise InvalidInput(
            f"The title has {len(cleaned)} characters.", field="title", remedy=f"Use at most {MAX_TITLE}."
        )
    return cleaned or "Untitled"


def check_body(body: str) -> str:
    """A text as it is kept.

    Raises:
        TooLarge: it is too long.
    """
    if len(body) > MAX_BODY:
        raise TooLarge(
            f"The text has {len(body):,} characters.",
            field="body_markdown",
            remedy=f"A document holds {MAX_BODY:,} characters; split it.",
        )
    return clean_text(body)


def _word(field: str, value: str, longest: int) -> str:
    cleaned = clean_text(value).strip()
    if not cleaned or len(cleaned) > longest:
        raise InvalidInput(f"The {field} is empty or too long.", field=field, remedy=f"Use 1 to {longest} characters.")
    return cleaned


def _brief(brief: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(brief, Mapping):
        raise InvalidInput("The brief is not an object.", field="brief", remedy='Send {"topic": "…"}.')
    return dict(brief)


def _reason(reason: str) -> str:
    if reason not in DocumentVersion.Reason.values:
        raise InvalidInput(
            f"'{reason}' is no reason.", field="reason", remedy=f"Use {', '.join(DocumentVersion.Reason.values)}."
        )
    return reason
