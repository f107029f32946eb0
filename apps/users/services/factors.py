"""Second factors: the rules about them, and what happens to a person's."""

from __future__ import annotations

import datetime as dt

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.users.models import FactorPolicy, User
from apps.users.models.factors import DEFAULT_GRACE_DAYS, MAX_GRACE_DAYS, ROLES
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.selectors.factors import duty_of, kinds_of
from apps.users.services import audit, sessions


def set_policy(
    *,
    actor: Actor,
    role: str,
    strength: str = FactorPolicy.Strength.ANY,
    enforced_from: dt.datetime | None = None,
    grace_days: int = 0,
) -> FactorPolicy:
    """Make a second factor a role's duty.

    Args:
        actor: needs "users.manage", and has to have a factor of that strength when the rule binds them.
        role: "writer", "editor", "operator", "auditor" or "admin".
        strength: "any", or "passkey" for one that cannot be phished.
        enforced_from: from when on nobody of the role gets in without; None: in two weeks.
        grace_days: what somebody has who gets the role later.

    Raises:
        InvalidInput: no such role or strength, or a number that cannot be.
        Conflict: the rule would hold at once and lock its own author out.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if role not in dict(ROLES):
        raise InvalidInput(f"'{role}' is not a role.", field="role", remedy=f"Use one of {', '.join(dict(ROLES))}.")
    if strength not in FactorPolicy.Strength.values:
        raise InvalidInput(f"'{strength}' is not a strength.", field="strength", remedy="Use any or passkey.")
    if not 0 <= grace_days <= MAX_GRACE_DAYS:
        raise InvalidInput(
            f"{grace_days} days cannot be granted.", field="grace_days", remedy=f"Use 0 to {MAX_GRACE_DAYS}."
        )
    start = enforced_from or timezone.now() + dt.timedelta(days=DEFAULT_GRACE_DAYS)
    with transaction.atomic():
        before = FactorPolicy.objects.select_for_update().filter(role=role).first()
        old = _state(before) if before else None
        policy, _ = FactorPolicy.objects.update_or_create(
            role=role,
            defaults={
                "strength": strength,
                "enforced_from": start,
                "grace_days": grace_days,
                "set_by": actor.user,
            },
        )
        _refuse_lock_out(actor)
        audit.record(actor, "factor_policy.set", obj=policy, before=old, after=_state(policy))
    return policy


def drop_policy(*, actor: Actor, role: str) -> None:
    """Take a role's duty away. The actor needs "users.manage".

    Raises:
        NotFound: the role has none.
    """
    require(actor, "users.manage")
    require_proof(actor)
    with transaction.atomic():
        policy = FactorPolicy.objects.select_for_update().filter(role=role).first()
        if policy is None:
            raise NotFound("This role has no sign-in rule.")
        audit.record(actor, "factor_policy.dropped", obj=policy, before=_state(policy))
        policy.delete()


def note_added(*, actor: Actor, kind: str, session_key: str) -> None:
    """Record that a person has set up a factor. With the first one, their other sessions end.

    Those had been opened with the password alone; whoever else knew it must not stay.

    Args:
        actor: the person.
        kind: "totp", "webauthn" or "recovery_codes".
        session_key: the session in which it happened.
    """
    if actor.user is None:
        return
    audit.record(actor, "factor.added", obj=actor.user, after={"kind": kind})
    counted = kinds_of(FactorPolicy.Strength.ANY)
    if kind in counted and Authenticator.objects.filter(user=actor.user, type__in=counted).count() == 1:
        sessions.end_own_sessions(actor=actor, except_key=session_key)


def note_removed(*, actor: Actor, kind: str) -> None:
    """Record that a person has removed a factor."""
    audit.record(actor, "factor.removed", obj=actor.user, before={"kind": kind})


def note_wrong_code(*, user: User) -> None:
    """Record that somebody knew a person's password and not the second factor."""
    audit.record(Actor.anonymous(), "factor.refused", obj=user, outcome="denied")


def may_remove(user: User, kind: str) -> bool:
    """Whether a person may remove a factor: not the last one that a rule which binds them asks for."""
    duty = duty_of(user)
    if duty is None:
        return True
    enough = kinds_of(duty.strength)
    if kind not in enough:
        return True
    return Authenticator.objects.filter(user=user, type__in=enough).count() > 1


def reset_factors(*, actor: Actor, user: User, reason: str) -> int:
    """Remove all factors of somebody who has lost theirs, and sign them out everywhere.

    Args:
        actor: needs "users.manage"; nobody resets their own, who signs in has them.
        user: whose.
        reason: how it was made sure that it is really them who ask.

    Returns:
        how many factors are gone.

    Raises:
        InvalidInput: no reason.
        Conflict: it is one's own account.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if actor.user_id == user.pk:
        raise Conflict("You cannot reset your own factors.", remedy="Remove them on your profile's page.")
    if not reason.strip():
        raise InvalidInput(
            "A reset needs a reason.", field="reason", remedy="Say how you know that it is them who ask."
        )
    with transaction.atomic():
        count, _ = Authenticator.objects.filter(user=user).delete()
        if count:
            audit.record(actor, "factor.reset", obj=user, reason=reason, before={"factors": count})
        sessions.close_all(actor=actor, user=user, reason="second factors were reset")
    return count


def _refuse_lock_out(actor: Actor) -> None:
    if actor.user is None:
        return
    duty = duty_of(actor.user)
    if duty is None or duty.due_at > timezone.now():
        return
    if not Authenticator.objects.filter(user=actor.user, type__in=kinds_of(duty.strength)).exists():
        raise Conflict(
            "This rule would lock you out: it holds at once, and you have no such factor.",
            remedy="Set one up on your profile's page first, or let the rule begin later.",
        )


def _state(policy: FactorPolicy) -> dict[str, object]:
    return {
        "role": policy.role,
        "strength": policy.strength,
        "enforced_from": policy.enforced_from,
        "grace_days": policy.grace_days,
    }
