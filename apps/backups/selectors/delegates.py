"""Reading what is watched of other tools."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.backups.models import Delegate
from apps.backups.selectors.destinations import as_id
from apps.users.selectors.access import Actor, require


def delegates_for(actor: Actor) -> QuerySet[Delegate]:
    """All, for those who may see backups."""
    require(actor, "backups.read")
    return Delegate.objects.all()


def get_delegate(*, actor: Actor, delegate_id: uuid.UUID | str) -> Delegate:
    """One.

    Raises:
        NotFound: there is none.
        PermissionDenied: the actor may not see backups.
    """
    found = delegates_for(actor).filter(pk=as_id(delegate_id)).first()
    if found is None:
        raise NotFound("There are no such backups of another tool.", field="delegate_id")
    return found
