"""The history of a document: earlier texts brought back, named, and kept when they came too late."""

from __future__ import annotations

import uuid

from django.db import transaction

from aiwriter.core.errors import InvalidInput
from apps.content.markup.markdown import clean_text
from apps.content.models import Document, DocumentVersion
from apps.content.selectors.documents import get_document, get_version
from apps.content.services.documents import check_body, check_title, lock_document, save_document
from apps.content.services.versioning import digest, new_version
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record


def keep_beside(
    *, actor: Actor, document_id: uuid.UUID | str, title: str, body_markdown: str
) -> DocumentVersion | None:
    """Keep a text that came too late as a version, without making it the present one.

    Called when a save was refused because somebody else had saved: whatever the writer chooses then, both texts are in
    the history.

    Returns:
        the version; None when the text is in the history already.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        InvalidInput, TooLarge: a value cannot be used.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    title, body = check_title(title), check_body(body_markdown)
    with transaction.atomic():
        document = lock_document(found.pk, None)
        if document.versions.filter(sha256=digest(title, body)).exists():
            return None
        return new_version(document, title=title, body=body, actor=actor, reason="conflict", label="", generation=None)


def restore_version(
    *, actor: Actor, document_id: uuid.UUID | str, number: int, revision: int | None = None
) -> Document:
    """Make an earlier version the text again; the history keeps everything and gains a version.

    Raises:
        NotFound, PermissionDenied: the document or version is not the actor's to write.
        StaleRevision: somebody else saved in between.
    """
    version = get_version(actor=actor, document_id=document_id, number=number)
    require(actor, "content.write", workspace=version.document.workspace_id)
    document = save_document(
        actor=actor,
        document_id=document_id,
        revision=version.document.revision if revision is None else revision,
        title=version.title,
        body_markdown=version.body_markdown,
        reason="restore",
        label=f"Version {number} restored",
    )
    record(actor, "version.restored", obj=document, after={"number": number})
    return document


def label_version(*, actor: Actor, document_id: uuid.UUID | str, number: int, label: str) -> DocumentVersion:
    """Give a version a name, at most 120 characters; an empty one takes it away.

    Raises:
        NotFound, PermissionDenied: the version is not the actor's to name.
        InvalidInput: the name is too long.
    """
    version = get_version(actor=actor, document_id=document_id, number=number)
    require(actor, "content.write", workspace=version.document.workspace_id)
    version.label = clean_text(label).strip()
    if len(version.label) > 120:
        raise InvalidInput("The name is longer than 120 characters.", field="label", remedy="Shorten it.")
    version.save(update_fields=["label"])
    return version
