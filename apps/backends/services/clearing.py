"""Refusing a call to a backend before the network, and noting that it was refused."""

from __future__ import annotations

import uuid
from typing import NoReturn

from aiwriter_sdk import BackendError
from apps.backends.models import BackendProfile
from apps.backends.selectors.clearance import Refusal, clearance_for, present_refusal
from apps.backends.selectors.profiles import ProfileView
from apps.backends.services import instances
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.services.audit import record


class NotCleared(BackendError):
    """This backend may not get it; it was not asked."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message, remedy=refusal.remedy)
        self.kind = refusal.kind
        self.refusal = refusal


def ready_if_cleared(
    profile: ProfileView, *, workspace_id: uuid.UUID | None, user_id: uuid.UUID | None
) -> instances.Ready:
    """Build a backend, the moment before it is asked.

    Raises:
        NotCleared: a rule, the backend's region or the person's mind has changed since the chain was made.
        ConfigInvalid: settings, secrets or plugin cannot be used.
    """
    if refusal := present_refusal(profile.id, workspace_id, user_id):
        raise NotCleared(refusal)
    return instances.ready(profile)


def refuse(
    refusal: Refusal, *, backend: uuid.UUID, workspace_id: uuid.UUID | None, user_id: uuid.UUID | None = None
) -> NoReturn:
    """Note in the record that nothing was sent, and say so.

    Args:
        refusal: why.
        backend: which one, or the first of several.
        workspace_id: whose texts.
        user_id: for whom; None for the portal itself.

    Raises:
        ResidencyRefused, ConsentMissing: one of them, always.
    """
    user = User.objects.filter(pk=user_id).first() if user_id else None
    record(
        Actor.for_user(user) if user else Actor.system_actor("router"),
        "consent.refused_call" if refusal.kind == "consent" else "residency.refused",
        obj=BackendProfile.objects.filter(pk=backend).first(),
        workspace=workspace_id,
        outcome="denied",
        reason=refusal.message,
    )
    raise refusal.error()


def require_cleared(
    profile: BackendProfile, *, workspace_id: uuid.UUID | None, user_id: uuid.UUID | None = None
) -> None:
    """Let pass what may go to a backend.

    Raises:
        ResidencyRefused: it may not.
    """
    if found := clearance_for(workspace_id).refusal(profile):
        refuse(found, backend=profile.pk, workspace_id=workspace_id, user_id=user_id)
