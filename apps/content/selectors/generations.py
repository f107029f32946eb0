"""Reading generations and what they have written so far."""

from __future__ import annotations

import uuid

from django.db.models import Max, QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import Generation, GenerationEvent, GenerationPassage
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, is_let_in, require, workspaces_of


def generations_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[Generation]:
    """Generations in the workspaces of the actor.

    Args:
        actor: who reads.
        workspace: only this one.
    """
    found = Generation.objects.filter(workspace__in=workspaces_of(actor))
    return found.filter(workspace=workspace) if workspace else found


def get_generation(*, actor: Actor, generation_id: uuid.UUID | str) -> Generation:
    """One generation.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    found = next(iter(Generation.objects.filter(pk=as_uuid(generation_id)).order_by()), None)
    if found is not None and is_let_in(actor, "content.read", found.workspace_id):
        return found
    if found is None or not generations_for(actor).filter(pk=found.pk).exists():
        raise NotFound("There is no such generation.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def text_of(generation: Generation) -> str:
    """The text so far: the stored one when it is finished, else the pieces joined."""
    if generation.is_final or generation.started_at is None:
        return generation.output_markdown
    return text_in_events(generation.pk)


def text_in_events(generation_id: uuid.UUID) -> str:
    """The pieces of text joined, as the events hold them."""
    pieces = GenerationEvent.objects.filter(generation_id=generation_id, type="delta").order_by("seq")
    return "".join(data.get("text", "") for data in pieces.values_list("data", flat=True).iterator())


def last_seq_of(generation_id: uuid.UUID) -> int:
    """The number of the last event; 0 before the first."""
    found = GenerationEvent.objects.filter(generation_id=generation_id).aggregate(last=Max("seq"))["last"]
    return found or 0


def passages_of(generation: Generation) -> QuerySet[GenerationPassage]:
    """The passages that the model was given, best first."""
    return generation.passages.order_by("ordinal")
