"""Reading content types."""

from __future__ import annotations

import uuid

from django.db.models import Q, QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import ContentType
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of


def content_types_for(
    *, actor: Actor, workspace: Workspace, query: str = "", category: str = "", inactive: bool = False
) -> QuerySet[ContentType]:
    """What a workspace offers.

    Args:
        actor: who reads.
        workspace: one of the actor's.
        query: words that all stand in name, description, slug or category.
        category: only this shelf.
        inactive: those that are switched off as well.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to read.
    """
    require(actor, "content.read", workspace=workspace)
    rows = ContentType.objects.of_workspace(workspace.pk)
    if not inactive:
        rows = rows.active()
    if category:
        rows = rows.filter(category=category)
    for word in query.split()[:8]:
        shelves = [key for key, label in ContentType.Category.choices if word.lower() in str(label).lower()]
        rows = rows.filter(
            Q(name__icontains=word) | Q(description__icontains=word) | Q(slug__icontains=word) | Q(category__in=shelves)
        )
    return rows


def get_content_type(*, actor: Actor, content_type_id: uuid.UUID | str) -> ContentType:
    """One content type: common, or of one of the actor's workspaces.

    Raises:
        NotFound: there is none, or it is another workspace's.
        PermissionDenied: known, but not allowed.
    """
    rows = ContentType.objects.filter(Q(workspace=None) | Q(workspace__in=workspaces_of(actor)))
    found = rows.filter(pk=as_uuid(content_type_id)).first()
    if found is None:
        raise NotFound("There is no such template.", remedy="It may have been removed; look at the gallery.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found
