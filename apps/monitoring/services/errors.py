"""What people say to the kinds of errors in the inbox."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.monitoring.models import ErrorGroup
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

_ACTIONS = {
    ErrorGroup.State.RESOLVED: "error_group.resolved",
    ErrorGroup.State.IGNORED: "error_group.ignored",
    ErrorGroup.State.OPEN: "error_group.reopened",
}


def resolve(*, actor: Actor, error_id: uuid.UUID | str) -> ErrorGroup:
    """Say that it is mended. When it comes again it opens by itself, and somebody is told.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to settle.
    """
    return _settle(actor, error_id, ErrorGroup.State.RESOLVED)


def ignore(*, actor: Actor, error_id: uuid.UUID | str) -> ErrorGroup:
    """Say that nobody wants to be told of it; it is counted on.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to settle.
    """
    return _settle(actor, error_id, ErrorGroup.State.IGNORED)


def reopen(*, actor: Actor, error_id: uuid.UUID | str) -> ErrorGroup:
    """Say that it still is to be mended.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to open.
    """
    return _settle(actor, error_id, ErrorGroup.State.OPEN)


def _settle(actor: Actor, error_id: uuid.UUID | str, state: ErrorGroup.State) -> ErrorGroup:
    require(actor, "monitoring.manage")
    with transaction.atomic():
        group = ErrorGroup.objects.select_for_update().filter(pk=error_id).first()
        if group is None:
            raise NotFound("There is no such error.")
        before = group.state
        if before == state:
            return group
        group.state = state
        group.came_again = False
        group.settled_at = None if state == ErrorGroup.State.OPEN else timezone.now()
        group.settled_by = "" if state == ErrorGroup.State.OPEN else actor.label
        group.settled_release = "" if state == ErrorGroup.State.OPEN else settings.VERSION
        # Not by hand: nobody has to be told of what somebody has just opened.
        group.save(update_fields=["state", "came_again", "settled_at", "settled_by", "settled_release"])
        record(actor, _ACTIONS[state], obj=group, before={"state": before}, after={"state": state})
    return group
