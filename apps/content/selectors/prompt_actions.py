"""Reading prompt actions."""

from __future__ import annotations

import uuid

from django.db.models import Q, QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import PromptAction, PromptActionVersion
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, can, require, workspaces_of


def prompt_actions_for(actor: Actor, workspace: Workspace) -> QuerySet[PromptAction]:
    """The actions of a workspace, its own and the installation's that it has not replaced, with their newest version.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to read.
    """
    require(actor, "content.read", workspace=workspace)
    return PromptAction.objects.offered_in(workspace.pk).select_related("current")


def offered_actions(actor: Actor, workspace: Workspace) -> list[PromptAction]:
    """Those that the editor's menu offers, by name.

    Raises:
        NotFound, PermissionDenied: the workspace is not the actor's to read.
    """
    found = prompt_actions_for(actor, workspace).filter(is_active=True, current__isnull=False)
    return list(found.order_by("name", "id"))


def get_prompt_action(*, actor: Actor, action_id: uuid.UUID | str) -> PromptAction:
    """One action: of a workspace of the actor's, or of the installation.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    rows = PromptAction.objects.filter(Q(workspace__in=workspaces_of(actor)) | Q(workspace__isnull=True))
    found = rows.select_related("current", "workspace").filter(pk=as_uuid(action_id)).first()
    if found is None:
        raise NotFound("There is no such AI action.", remedy="It may have been deleted; look at the list.")
    if found.workspace_id is None and can(actor, "prompts.defaults"):
        return found
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def versions_of_action(action: PromptAction) -> QuerySet[PromptActionVersion]:
    """All versions of an action that the reader may see, newest first."""
    return action.versions.select_related("created_by").order_by("-number")
