"""Grants that shrink to what was needed, and grow again when that was wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput
from apps.users.models import Membership, Reduction, RoleGrant
from apps.users.models.grants import contents
from apps.users.selectors.access import ALL_ROLES, Actor, require, require_proof
from apps.users.selectors.shrinking import Grant
from apps.users.services import audit
from apps.users.services.people import refuse_losing_last_admin
from apps.users.services.roles import refuse_derived
from apps.users.services.workspaces import refuse_losing_last_editor

UNDO = dt.timedelta(days=14)


def reduce_grant(*, actor: Actor, grant: Grant, keep: Sequence[str], reason: str = "") -> Reduction:
    """Leave only some capabilities of a grant. It counts from the next call on.

    Args:
        actor: needs "users.manage"; nobody reduces, and so cannot undo, their own.
        grant: a live one that the person holds of their own.
        keep: what is left; at least one of what it allows now.
        reason: for the record.

    Raises:
        InvalidInput: nothing would be left, or something that it does not allow.
        Conflict: it is the actor's own, the last administrator's or editor's, or comes from a group or an elevation.
    """
    require(actor, "users.manage")
    require_proof(actor)
    refuse_derived(grant)
    if actor.user_id == grant.user_id:
        raise Conflict("You cannot change your own rights.", remedy="Ask another administrator.")
    if not keep:
        raise InvalidInput("Nothing would be left.", field="keep", remedy="Take the role away instead.")
    with transaction.atomic():
        # Of two who reduce it at once the second sees what the first has left.
        grant.only = type(grant).objects.select_for_update().values_list("only", flat=True).get(pk=grant.pk)
        held = contents(grant.role, grant.only, ALL_ROLES)
        if beyond := sorted(set(keep) - held):
            raise InvalidInput(f"It does not allow '{beyond[0][:60]}'.", field="keep", remedy="Leave it out.")
        if set(keep) == held:
            raise Conflict("It is no larger than that.")
        if isinstance(grant, RoleGrant) and grant.role == RoleGrant.Role.ADMIN and grant.only is None:
            refuse_losing_last_admin(grant.user, grant)
        if isinstance(grant, Membership) and "members.manage" in held - set(keep):
            refuse_losing_last_editor(grant)
        row = Reduction.objects.create(
            role_grant=grant if isinstance(grant, RoleGrant) else None,
            membership=grant if isinstance(grant, Membership) else None,
            before=grant.only,
            after=sorted(keep),
            reason=reason.strip()[:300],
            adopted_by=actor.user,
            undo_until=timezone.now() + UNDO,
        )
        grant.only = sorted(keep)
        grant.save(update_fields=["only"])
        before, after = {"capabilities": sorted(held)}, {"capabilities": sorted(keep)}
        audit.record(actor, "grant.reduced", obj=grant, reason=reason, before=before, after=after)
    return row


def undo_reduction(*, actor: Actor, reduction: Reduction) -> Reduction:
    """Give back what a reduction took, within 14 days.

    Raises:
        Conflict: it is too late, was undone, was followed by another change, or is about the actor's own grant.
    """
    require(actor, "users.manage")
    require_proof(actor)
    grant = reduction.role_grant or reduction.membership
    if grant is None or actor.user_id == grant.user_id:
        raise Conflict("You cannot change your own rights.", remedy="Ask another administrator.")
    with transaction.atomic():
        grant.only = type(grant).objects.select_for_update().values_list("only", flat=True).get(pk=grant.pk)
        if grant.only != reduction.after:
            raise Conflict("The grant was changed since.", remedy="Undo the later reduction first, or grant anew.")
        open_rows = Reduction.objects.filter(pk=reduction.pk, undone_at=None, undo_until__gt=Now())
        if not open_rows.update(undone_at=Now(), undone_by=actor.user):
            raise Conflict("It was undone already, or more than 14 days ago.", remedy="Grant the role anew.")
        grant.only = reduction.before
        grant.save(update_fields=["only"])
        after = {"capabilities": sorted(contents(grant.role, grant.only, ALL_ROLES))}
        before = {"capabilities": reduction.after}
        audit.record(actor, "grant.restored", obj=grant, before=before, after=after)
    reduction.refresh_from_db()
    return reduction
