"""Collections: made, renamed, moved, taken away."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from aiwriter.core.errors import Conflict, InvalidInput
from apps.content.markup.markdown import clean_text
from apps.content.models import Collection, Document
from apps.content.selectors.documents import as_uuid
from apps.content.selectors.organising import get_collection
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record

MAX_NAME = 120
MAX_DEPTH = 8
UNCHANGED: Any = object()


def create_collection(
    *, actor: Actor, workspace: Workspace | uuid.UUID | str, name: str, parent_id: uuid.UUID | str | None = None
) -> Collection:
    """Make a collection.

    Args:
        actor: who makes it.
        workspace: where.
        name: at most 120 characters, once among its neighbours.
        parent_id: the collection that it lies in; None: on top.

    Raises:
        NotFound, PermissionDenied: the workspace or the parent is not the actor's to write in.
        InvalidInput: the name is empty or too long, or it would lie too deep.
        Conflict: a neighbour has this name.
    """
    require(actor, "content.write", workspace=workspace)
    room = get_workspace(actor, workspace)
    cleaned = _name(name)
    with _unique_name(cleaned), transaction.atomic():
        _lock(room.pk)
        parent = parent_in(room.pk, parent_id, field="parent_id")
        if parent is not None and len(_way(parent)) >= MAX_DEPTH:
            raise _too_deep()
        made = Collection.objects.create(workspace=room, parent=parent, name=cleaned, created_by=actor.user)
        record(actor, "collection.created", obj=made)
    return made


def change_collection(
    *, actor: Actor, collection_id: uuid.UUID | str, name: str | None = None, parent_id: Any = UNCHANGED
) -> Collection:
    """Rename a collection or put it elsewhere.

    Args:
        actor: who changes it.
        collection_id: which.
        name: the new name; None: as it is.
        parent_id: the collection that it goes into, None for the top; left out: it stays.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to change.
        InvalidInput: the name cannot be used, or it would lie in itself or too deep.
        Conflict: a neighbour has this name.
    """
    found = get_collection(actor=actor, collection_id=collection_id)
    require(actor, "content.write", workspace=found.workspace_id)
    cleaned = found.name if name is None else _name(name)
    with _unique_name(cleaned), transaction.atomic():
        # Of two moves at once each could be right by itself and both together a circle.
        _lock(found.workspace_id)
        collection = Collection.objects.get(pk=found.pk)
        before = {"parent": collection.parent_id}
        collection.name = cleaned
        if parent_id is not UNCHANGED:
            parent = parent_in(found.workspace_id, parent_id, field="parent_id")
            way = _way(parent) if parent else []
            if collection.pk in way:
                raise InvalidInput(
                    "A collection cannot lie in itself.", field="parent_id", remedy="Choose one that is not below it."
                )
            if len(way) + _height(collection) > MAX_DEPTH:
                raise _too_deep()
            collection.parent = parent
        collection.save()
        record(actor, "collection.changed", obj=collection, before=before, after={"parent": collection.parent_id})
    return collection


def delete_collection(*, actor: Actor, collection_id: uuid.UUID | str) -> None:
    """Take a collection away. What lies in it goes up to where it lay; no document is deleted.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to delete.
        Conflict: a collection in it has the name of one that lies above.
    """
    found = get_collection(actor=actor, collection_id=collection_id)
    require(actor, "content.delete", workspace=found.workspace_id)
    with _unique_name("of a collection in it"), transaction.atomic():
        _lock(found.workspace_id)
        Document.objects.filter(collection=found).update(collection=found.parent_id)
        Collection.objects.filter(parent=found).update(parent=found.parent_id)
        record(actor, "collection.deleted", obj=found)
        found.delete()


def parent_in(workspace_id: uuid.UUID, collection_id: Any, *, field: str = "collection_id") -> Collection | None:
    """A collection of a workspace by its id; None for none.

    Args:
        workspace_id: the actor's.
        collection_id: an id, or nothing.
        field: what it is called where it was given.

    Raises:
        InvalidInput: the workspace has none of this id.
    """
    if not collection_id:
        return None
    found = Collection.objects.filter(pk=as_uuid(collection_id), workspace_id=workspace_id).first()
    if found is None:
        raise InvalidInput(
            "The workspace has no such collection.", field=field, remedy="Choose one of its collections, or none."
        )
    return found


def _lock(workspace_id: uuid.UUID) -> None:
    # Weak enough that documents may go on being made in the workspace.
    list(Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).values_list("pk"))


def _way(collection: Collection) -> list[uuid.UUID]:
    """The ids from the collection up to the top, itself included."""
    parents = dict(Collection.objects.filter(workspace_id=collection.workspace_id).values_list("pk", "parent_id"))
    way: list[uuid.UUID] = []
    here: uuid.UUID | None = collection.pk
    while here is not None and here not in way:
        way.append(here)
        here = parents.get(here)
    return way


def _height(collection: Collection) -> int:
    """How many levels a collection and what is below it take."""
    below: dict[uuid.UUID | None, list[uuid.UUID]] = {}
    for pk, parent in Collection.objects.filter(workspace_id=collection.workspace_id).values_list("pk", "parent_id"):
        below.setdefault(parent, []).append(pk)
    height, level = 0, [collection.pk]
    while level and height <= MAX_DEPTH:
        height += 1
        level = [child for each in level for child in below.get(each, ())]
    return height


def _name(name: str) -> str:
    cleaned = " ".join(clean_text(name).split())
    if not cleaned or len(cleaned) > MAX_NAME:
        raise InvalidInput("The name is empty or too long.", field="name", remedy=f"Use 1 to {MAX_NAME} characters.")
    return cleaned


def _too_deep() -> InvalidInput:
    return InvalidInput(
        f"Collections nest {MAX_DEPTH} deep.", field="parent_id", remedy="Choose one that lies further up."
    )


@contextmanager
def _unique_name(name: str) -> Iterator[None]:
    """Turns the database's refusal of a second equal name into a plain answer."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"The name '{name}' is taken here.", field="name", remedy="Choose another name.") from error
