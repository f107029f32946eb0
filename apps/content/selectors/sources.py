"""Reading sources."""

from __future__ import annotations

import uuid

from django.db.models import Count, QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import Source, SourceChunk
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of


def sources_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Source]:
    """Sources that the actor may see, without their text, which may be megabytes.

    Args:
        actor: who reads.
        workspace: only this one.
    """
    found = Source.objects.filter(workspace__in=workspaces_of(actor)).defer("text", "page_map", "outline")
    return found.filter(workspace=workspace) if workspace else found


def get_source(*, actor: Actor, source_id: uuid.UUID | str) -> Source:
    """One source with its text.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    found = Source.objects.filter(pk=as_uuid(source_id), workspace__in=workspaces_of(actor)).first()
    if found is None:
        raise NotFound("There is no such source.", remedy="It may have been removed; look at your sources.")
    require(actor, "sources.read", workspace=found.workspace_id)
    return found


def get_chunk(*, actor: Actor, chunk_id: uuid.UUID | str) -> SourceChunk:
    """One passage of a source.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found = (
        SourceChunk.objects.filter(pk=as_uuid(chunk_id), workspace__in=workspaces_of(actor))
        .select_related("source")
        .defer("vector")
        .first()
    )
    if found is None:
        raise NotFound("There is no such passage.", remedy="Its source may have been removed or read in anew.")
    require(actor, "sources.read", workspace=found.workspace_id)
    return found


def source_counts(*, actor: Actor, workspace: Workspace | None = None) -> dict[str, int]:
    """How many sources are in which state; every state is named."""
    rows = sources_for(actor, workspace).order_by().values("state").annotate(number=Count("pk"))
    return dict.fromkeys(Source.State.values, 0) | {row["state"]: row["number"] for row in rows}
