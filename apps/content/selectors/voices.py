"""Reading voices, and which one a document is written in."""

from __future__ import annotations

import uuid

from django.db.models import Count, Q, QuerySet

from aiwriter.core.errors import NotFound
from apps.content.models import Document, VoiceProfile, VoiceRule
from apps.content.selectors.documents import as_uuid
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require, workspaces_of


def voices_for(actor: Actor, workspace: Workspace | None = None) -> QuerySet[VoiceProfile]:
    """Voices that the actor may see, with the number of their rules (`rule_count`, `proposed_count`).

    Args:
        actor: who reads.
        workspace: only this one.
    """
    found = VoiceProfile.objects.filter(workspace__in=workspaces_of(actor)).annotate(
        rule_count=Count("rules", filter=Q(rules__state=VoiceRule.State.ACTIVE)),
        proposed_count=Count("rules", filter=Q(rules__state=VoiceRule.State.PROPOSED)),
    )
    return found.filter(workspace=workspace) if workspace else found


def get_voice(*, actor: Actor, voice_id: uuid.UUID | str) -> VoiceProfile:
    """One voice.

    Raises:
        NotFound: there is none, or it is somebody else's.
        PermissionDenied: known, but not allowed.
    """
    found = voices_for(actor).filter(pk=as_uuid(voice_id)).first()
    if found is None:
        raise NotFound("There is no such voice.", remedy="It may have been removed; look at your voices.")
    require(actor, "content.read", workspace=found.workspace_id)
    return found


def voice_of(document: Document) -> VoiceProfile | None:
    """The voice that a document is written and checked in: its own, else the workspace's default."""
    if document.voice_id:
        return document.voice
    return VoiceProfile.objects.in_workspace(document.workspace_id).filter(is_default=True).first()
