"""Legal holds: while one stands, nothing of a person is erased."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.users.models import LegalHold, User
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services import audit


def place_hold(*, actor: Actor, user: User, reason: str) -> LegalHold:
    """Keep somebody's data whatever is asked.

    Args:
        actor: needs "privacy.manage".
        user: whose.
        reason: the case, for those who look later.

    Raises:
        InvalidInput: no reason is given.
        Conflict: one is in force already.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    reason = reason.strip()
    if not reason:
        raise InvalidInput("A hold needs a reason.", field="reason", remedy="Name the case or who has ordered it.")
    try:
        with transaction.atomic():
            hold = LegalHold.objects.create(user=user, reason=reason[:500], placed_by=actor.user)
            audit.record(actor, "privacy.hold_placed", obj=hold, reason=reason)
    except IntegrityError as error:
        raise Conflict("A hold is in force already.", remedy="Lift it first, if its reason has changed.") from error
    return hold


def lift_hold(*, actor: Actor, hold_id: uuid.UUID | str, reason: str = "") -> LegalHold:
    """End a hold. The actor needs "privacy.manage".

    Raises:
        NotFound: there is none, or it was lifted before.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    with transaction.atomic():
        changed = LegalHold.objects.filter(pk=hold_id, lifted_at=None).update(
            lifted_at=timezone.now(), lifted_by=actor.user
        )
        if not changed:
            raise NotFound("There is no such hold in force.")
        hold = LegalHold.objects.get(pk=hold_id)
        audit.record(actor, "privacy.hold_lifted", obj=hold, reason=reason)
    return hold


def refuse_held(user: User) -> None:
    """Refuse what would take away data that a hold keeps.

    Raises:
        Conflict: one is in force.
    """
    if LegalHold.objects.filter(user=user, lifted_at=None).exists():
        raise Conflict(
            "A legal hold keeps this person's data.", remedy="It can be erased when the hold is lifted.", field="person"
        )
