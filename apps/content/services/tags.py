"""Tags: made on the fly, renamed, merged, taken away."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import IntegrityError, transaction

from aiwriter.core.errors import Conflict, InvalidInput
from apps.content.markup.markdown import clean_text
from apps.content.models import Document, Tag
from apps.content.selectors.documents import get_document
from apps.content.selectors.organising import get_tag
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MAX_NAME = 60
MAX_TAGS = 40


def create_tag(*, actor: Actor, workspace: Workspace | uuid.UUID | str, name: str) -> Tag:
    """Make a tag.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to write in.
        InvalidInput: the name is empty or too long.
        Conflict: there is one of this name.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    cleaned = clean_name(name)
    try:
        with transaction.atomic():
            made = Tag.objects.create(workspace=room, name=cleaned)
            record(actor, "tag.created", obj=made)
    except IntegrityError as error:
        raise _taken(cleaned) from error
    return made


def rename_tag(*, actor: Actor, tag_id: uuid.UUID | str, name: str) -> Tag:
    """Give a tag another name.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to change.
        InvalidInput: the name is empty or too long.
        Conflict: another tag has this name; `merge_tags` makes one of both.
    """
    tag = get_tag(actor=actor, tag_id=tag_id)
    require(actor, "content.write", workspace=tag.workspace_id)
    tag.name = clean_name(name)
    try:
        with transaction.atomic():
            tag.save(update_fields=["name"])
            record(actor, "tag.renamed", obj=tag)
    except IntegrityError as error:
        raise _taken(tag.name) from error
    return tag


def merge_tags(*, actor: Actor, tag_id: uuid.UUID | str, into_id: uuid.UUID | str) -> Tag:
    """Let one tag go up in another: all its documents carry the other then.

    Raises:
        NotFound, PermissionDenied: one of them is not the actor's to change.
        InvalidInput: both are the same, or of different workspaces.
    """
    tag, into = get_tag(actor=actor, tag_id=tag_id), get_tag(actor=actor, tag_id=into_id)
    require(actor, "content.write", workspace=tag.workspace_id)
    if tag.pk == into.pk or tag.workspace_id != into.workspace_id:
        raise InvalidInput(
            "A tag can be merged with another tag of its workspace only.", field="into", remedy="Choose another tag."
        )
    through = Document.tags.through.objects
    with transaction.atomic():
        carried = through.filter(tag=into).values("document_id")
        through.filter(tag=tag).exclude(document_id__in=carried).update(tag=into)
        record(actor, "tag.merged", obj=tag, after={"into": str(into.pk)})
        tag.delete()
    return into


def delete_tag(*, actor: Actor, tag_id: uuid.UUID | str) -> None:
    """Take a tag away from all documents; the documents stay.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to delete.
    """
    tag = get_tag(actor=actor, tag_id=tag_id)
    require(actor, "content.delete", workspace=tag.workspace_id)
    with transaction.atomic():
        record(actor, "tag.deleted", obj=tag)
        tag.delete()


def set_tags(*, actor: Actor, document_id: uuid.UUID | str, names: Iterable[str]) -> list[str]:
    """Give a document these tags and no others; unknown ones are made.

    Returns:
        the names as they are kept.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        InvalidInput: a name cannot be used, or there are more than 40.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    with transaction.atomic():
        tags = tags_named(document.workspace_id, names)
        before = set(document.tags.values_list("pk", flat=True))
        if before != {tag.pk for tag in tags}:
            document.tags.set(tags)
            record(actor, "document.tagged", obj=document, after={"tags": len(tags)})
    return sorted(tag.name for tag in tags)


def tags_named(workspace_id: uuid.UUID, names: Iterable[str]) -> list[Tag]:
    """The tags of these names, made where there are none. The actor was checked.

    Raises:
        InvalidInput: a name cannot be used, or there are more than 40.
    """
    wanted: dict[str, str] = {}
    for name in names:
        cleaned = clean_name(name)
        wanted.setdefault(cleaned.casefold(), cleaned)
    if len(wanted) > MAX_TAGS:
        raise InvalidInput(f"These are {len(wanted)} tags.", field="tags", remedy=f"Use at most {MAX_TAGS}.")
    known = _known(workspace_id, wanted)
    missing = [name for key, name in wanted.items() if key not in known]
    if missing:
        # Somebody else may make the same tag at this moment; theirs is then as good as ours.
        Tag.objects.bulk_create([Tag(workspace_id=workspace_id, name=name) for name in missing], ignore_conflicts=True)
        known = _known(workspace_id, wanted)
    return [known[key] for key in wanted if key in known]


def _known(workspace_id: uuid.UUID, wanted: dict[str, str]) -> dict[str, Tag]:
    # By all names of the workspace: SQLite lowers ASCII letters only, so "Ökologie" would be asked for in vain.
    rows = {tag.name.casefold(): tag for tag in Tag.objects.filter(workspace_id=workspace_id)}
    return {key: rows[key] for key in wanted if key in rows}


def clean_name(name: str) -> str:
    """A tag's name: one line, without commas, which separate tags in forms.

    Raises:
        InvalidInput: it is empty or too long.
    """
    cleaned = " ".join(clean_text(str(name)).replace(",", " ").split()).removeprefix("#").strip()
    if not cleaned or len(cleaned) > MAX_NAME:
        raise InvalidInput(
            "A tag is empty or too long.", field="tags", remedy=f"Use 1 to {MAX_NAME} characters for each."
        )
    return cleaned


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a tag '{name}' already.", field="name", remedy="Merge the two, or choose another name.")
