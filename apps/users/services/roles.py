"""System roles: granted and taken away."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput
from apps.users.models import Membership, RoleGrant, User
from apps.users.models.capabilities import EXCLUSIVE_SYSTEM_ROLE
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services import audit
from apps.users.services.people import refuse_losing_last_admin


def grant_role(
    *,
    actor: Actor,
    user: User,
    role: str,
    reason: str,
    expires_at: dt.datetime | None = None,
    source: str = RoleGrant.Source.PERSON,
) -> RoleGrant:
    """Give a system role.

    Args:
        actor: needs "users.manage"; nobody grants themselves one.
        user: whom.
        role: "operator", "auditor" or "admin".
        reason: why, for those who review it later.
        expires_at: when it ends by itself; None: not.
        source: what it comes from; the rows of another source than "person" are withdrawn by what has made them.

    Raises:
        InvalidInput: no such role, no reason, or the end lies in the past.
        Conflict: it is held already, or an auditor would hold a second role.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if actor.user_id == user.pk:
        raise Conflict("You cannot grant a role to yourself.", remedy="Ask another administrator.")
    if role not in RoleGrant.Role.values:
        raise InvalidInput(f"'{role}' is not a system role.", field="role", remedy="Use operator, auditor or admin.")
    if not reason.strip():
        raise InvalidInput("A grant needs a reason.", field="reason", remedy="Say what the role is needed for.")
    check_end(expires_at)
    with transaction.atomic():
        # The person's row is the lock: two grants at once would otherwise not see each other.
        User.objects.select_for_update().get(pk=user.pk)
        user.role_grants.exclude(pk__in=user.role_grants.live().values("pk")).delete()
        if user.role_grants.filter(role=role, group=None, elevation=None).exists():
            raise Conflict(f"{user} is {role} already.", field="role")
        refuse_mixing(user, role)
        grant = RoleGrant.objects.create(
            user=user,
            role=role,
            granted_by=actor.user,
            reason=reason.strip()[:300],
            expires_at=expires_at,
            source=source,
        )
        after = {"user": user.email, "role": role, "expires_at": expires_at, "source": source}
        audit.record(actor, "role.granted", obj=grant, reason=reason, after=after)
    return grant


def check_end(expires_at: dt.datetime | None) -> None:
    """Refuse a grant that would have ended before it began.

    Raises:
        InvalidInput: the end lies in the past.
    """
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput("The end lies in the past.", field="expires_at", remedy="Choose a later moment.")


def refuse_mixing(user: User, role: str) -> None:
    """Keep an auditor from holding another system role, wherever the roles come from. Call it with the person's row locked.

    Raises:
        Conflict: they would hold both.
    """
    held = {each for each in user.role_grants.live().values_list("role", flat=True) if each != role}
    if held and EXCLUSIVE_SYSTEM_ROLE in held | {role}:
        raise Conflict(
            f"{user}: an auditor holds no other system role.", field="role", remedy="Take the other role away first."
        )


def revoke_role(*, actor: Actor, grant: RoleGrant, reason: str = "") -> None:
    """Take a system role away. The actor needs "users.manage".

    Raises:
        Conflict: it is the last administrator's, or comes from a group or an elevation, which has to end itself.
    """
    require(actor, "users.manage")
    require_proof(actor)
    refuse_derived(grant)
    with transaction.atomic():
        if grant.role == RoleGrant.Role.ADMIN:
            refuse_losing_last_admin(grant.user, grant)
        before = {"user": grant.user.email, "role": grant.role}
        audit.record(actor, "role.revoked", obj=grant, reason=reason, before=before)
        grant.delete()


def refuse_derived(row: RoleGrant | Membership) -> None:
    """Send somebody to where a grant comes from, when it is not the person's own one.

    Raises:
        Conflict: a group gives it, or it was lent.
    """
    if row.group_id:
        raise Conflict(f"It comes from the group {row.group}.", remedy="Take the person out of the group.")
    if row.elevation_id:
        raise Conflict("It was lent for a time.", remedy="Take the elevation back: Access now.")
