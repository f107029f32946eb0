"""The vector index as operators keep it."""

from __future__ import annotations

from apps.content.models import EmbeddingIndex
from apps.content.retrieval import index
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, get_workspace, require
from apps.users.services.audit import record


def rebuild_vectors(*, actor: Actor, workspace: str | None = None) -> dict[str, int]:
    """Make vector indexes again from the vectors in the database; no model is called.

    Args:
        actor: needs "jobs.manage".
        workspace: slug or id of one; all that have vectors when left out.

    Returns:
        vectors by the workspace's slug.

    Raises:
        NotFound: there is no such workspace.
        Unavailable: the vector store does not answer.
    """
    require(actor, "jobs.manage")
    if workspace is not None:
        chosen = [get_workspace(actor, workspace)]
    else:
        chosen = list(Workspace.objects.filter(pk__in=EmbeddingIndex.objects.values("workspace_id")).order_by("slug"))
    built: dict[str, int] = {}
    for each in chosen:
        built[each.slug] = index.rebuild(each.pk)
        record(actor, "vectors.rebuilt", workspace=each, after={"vectors": built[each.slug]})
    return built
