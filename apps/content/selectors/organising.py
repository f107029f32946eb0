"""Reading collections, tags, the bin and the settings of a workspace."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from aiwriter.core.errors import NotFound
from apps.content.models import Collection, Document, Presence, Tag, WritingSettings
from apps.content.models.organising import workspace_filter
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of


@dataclass(slots=True)
class Branch:
    """A collection with what lies in it, for drawing the tree."""

    collection: Collection
    depth: int = 0
    documents: int = 0
    children: list[Branch] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The indented name for a select."""
        return "\u2003" * self.depth + self.collection.name


def collections_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Collection]:
    """Collections that the actor may see, with `document_count` of the documents directly in each.

    Raises:
        PermissionDenied: the actor reads nowhere.
    """
    require(actor, "content.read", workspace=workspace)
    found = Collection.objects.filter(_rooms(actor, workspace))
    inside = (
        Document.objects.kept()
        .filter(workspace=OuterRef("workspace"), collection=OuterRef("pk"))
        .order_by()
        .values("collection")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return found.annotate(document_count=Coalesce(Subquery(inside, output_field=IntegerField()), Value(0)))


def get_collection(*, actor: Actor, collection_id: uuid.UUID | str) -> Collection:
    """One collection.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    found = Collection.objects.filter(pk=as_uuid(collection_id), workspace__in=workspaces_of(actor)).first()
    if found is None:
        raise NotFound("There is no such collection.", field="collection_id", remedy="Look at your collections.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def tree(*, actor: Actor, workspace: Workspace, counts: bool = True) -> list[Branch]:
    """All collections of a workspace, each before what lies in it, by name.

    Args:
        actor: who reads.
        workspace: which.
        counts: count the documents of each; for a select they are not needed.
    """
    require(actor, "content.read", workspace=workspace)
    rows = collections_for(actor, workspace) if counts else Collection.objects.filter(workspace=workspace)
    below: dict[uuid.UUID | None, list[Collection]] = {}
    for row in sorted(rows, key=lambda row: row.name.casefold()):
        below.setdefault(row.parent_id, []).append(row)
    flat: list[Branch] = []

    def grow(parent: uuid.UUID | None, depth: int) -> list[Branch]:
        grown = []
        for row in below.get(parent, ()):
            branch = Branch(row, depth, getattr(row, "document_count", 0))
            flat.append(branch)
            branch.children = grow(row.pk, depth + 1)
            grown.append(branch)
        return grown

    grow(None, 0)
    return flat


def way_to(collection: Collection) -> list[Collection]:
    """The collections above one, from the top down, and itself, in one query."""
    rows = {row.pk: row for row in Collection.objects.filter(workspace_id=collection.workspace_id)}
    way, here = [], rows.get(collection.pk)
    while here is not None:
        way.append(here)
        here = rows.get(here.parent_id)  # type: ignore[arg-type]
    return way[::-1]


def tags_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Tag]:
    """Tags that the actor may see, with `document_count` of the documents that carry each and are not in the bin.

    Raises:
        PermissionDenied: the actor reads nowhere.
    """
    require(actor, "content.read", workspace=workspace)
    found = Tag.objects.filter(_rooms(actor, workspace))
    return found.annotate(document_count=Count("documents", filter=Q(documents__deleted_at__isnull=True)))


def tag_names(workspace: Workspace) -> list[str]:
    """The names of all tags of a workspace, for filters and suggestions."""
    return list(Tag.objects.filter(workspace=workspace).order_by("name").values_list("name", flat=True))


def get_tag(*, actor: Actor, tag_id: uuid.UUID | str) -> Tag:
    """One tag.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    found = Tag.objects.filter(pk=as_uuid(tag_id), workspace__in=workspaces_of(actor)).first()
    if found is None:
        raise NotFound("There is no such tag.", field="tag_id", remedy="Look at the tags of the workspace.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def binned_documents(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Document]:
    """Documents in the bin that the actor may see.

    Raises:
        PermissionDenied: the actor reads nowhere.
    """
    require(actor, "content.read", workspace=workspace)
    return Document.objects.binned().filter(_rooms(actor, workspace))


def writing_settings(workspace: Workspace | uuid.UUID) -> WritingSettings:
    """The settings of a workspace; unsaved defaults when nobody has changed any."""
    key = workspace.pk if isinstance(workspace, Workspace) else workspace
    found = WritingSettings.objects.filter(pk=key).first()
    return found or WritingSettings(workspace_id=key)


def purge_day(document: Document, settings: WritingSettings) -> dt.datetime | None:
    """When a document in the bin is deleted for good by itself; None: never."""
    if not settings.trash_days or document.deleted_at is None:
        return None
    return document.deleted_at + dt.timedelta(days=settings.trash_days)


def present_at(document_id: uuid.UUID, *, but: uuid.UUID | None = None) -> list[Presence]:
    """Who has a document open in the editor now, the first to come first.

    Args:
        document_id: a document that the reader may see.
        but: leave this person out.
    """
    rows = Presence.objects.now().filter(document_id=document_id)
    if but:
        rows = rows.exclude(user_id=but)
    return list(rows.select_related("user").order_by("since", "pk"))


def _rooms(actor: Actor, workspace: Workspace | None) -> Q:
    ids: Iterable[uuid.UUID] = workspaces_of(actor).order_by().values_list("pk", flat=True)
    return workspace_filter([workspace.pk] if workspace else list(ids))
