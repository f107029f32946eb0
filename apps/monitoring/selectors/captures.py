"""Reading debug captures."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.monitoring.models import DebugCapture
from apps.users.selectors.access import Actor, require


def captures_for(actor: Actor) -> QuerySet[DebugCapture]:
    """All captures, newest first; auditors see that there were some, and why."""
    require(actor, "monitoring.read")
    return DebugCapture.objects.all()


def capture_for(actor: Actor, capture_id: uuid.UUID | str) -> DebugCapture:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    found = captures_for(actor).filter(pk=capture_id).first()
    if found is None:
        raise NotFound("There is no such capture.")
    return found
