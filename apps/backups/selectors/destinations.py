"""Reading places and policies."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.backups.models import Destination, Policy
from apps.users.selectors.access import Actor, require


def destinations_for(actor: Actor) -> QuerySet[Destination]:
    """All places, for those who may see backups."""
    require(actor, "backups.read")
    return Destination.objects.select_related("profile", "mirror_of")


def get_destination(*, actor: Actor, destination_id: uuid.UUID | str) -> Destination:
    """One place.

    Raises:
        NotFound: there is none.
        PermissionDenied: the actor may not see backups.
    """
    found = destinations_for(actor).filter(pk=as_id(destination_id)).first()
    if found is None:
        raise NotFound("There is no such place for backups.", field="destination_id")
    return found


def chosen_destination(*, actor: Actor, named: str = "") -> Destination:
    """A place by id or name; the first that is in use when nothing is named.

    Raises:
        NotFound: there is none.
    """
    rows = destinations_for(actor)
    if named:
        try:
            found = rows.filter(pk=uuid.UUID(named)).first()
        except ValueError:
            found = rows.filter(name__iexact=named).first()
    else:
        found = rows.filter(enabled=True, mirror_of=None).first()
    if found is None:
        raise NotFound(
            "There is no such place for backups." if named else "No place for backups is set up.",
            field="destination",
            remedy="Set one up in the console under Backups, or start the portal once.",
        )
    return found


def captured_destination(*, actor: Actor) -> Destination:
    """The place that changes are captured to; the first one when none are captured any more."""
    policy = policies_for(actor).filter(pitr=True, enabled=True).order_by("created_at", "id").first()
    if policy is not None:
        return get_destination(actor=actor, destination_id=policy.destination_id)
    return chosen_destination(actor=actor)


def policies_for(actor: Actor) -> QuerySet[Policy]:
    """All policies, for those who may see backups."""
    require(actor, "backups.read")
    return Policy.objects.select_related("destination")


def get_policy(*, actor: Actor, policy_id: uuid.UUID | str) -> Policy:
    """One policy.

    Raises:
        NotFound: there is none.
    """
    found = policies_for(actor).filter(pk=as_id(policy_id)).first()
    if found is None:
        raise NotFound("There is no such policy.", field="policy_id")
    return found


def as_id(text: uuid.UUID | str) -> uuid.UUID:
    """An id as a client named it.

    Raises:
        NotFound: it is no id at all.
    """
    try:
        return uuid.UUID(str(text))
    except ValueError:
        raise NotFound("There is nothing of this id.") from None
