"""Second factors: what somebody's roles ask for, what they have, what a session has shown."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from aiwriter.core.errors import FactorRequired
from apps.users.models import FactorPolicy, Membership, RoleGrant, SignInProvider, User
from apps.users.selectors.access import Actor, require, require_person, require_sight
from apps.users.selectors.callers import proofs
from apps.users.selectors.consents import unanswered

REQUIRED_PAGE = "/sign-in/second-factor"


@dataclass(frozen=True, slots=True)
class Duty:
    """A second factor that somebody has to use.

    Args:
        strength: "any" or "passkey".
        due_at: from when on nobody gets in without.
        role: for which of their roles.
    """

    strength: str
    due_at: dt.datetime
    role: str


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor that somebody has set up."""

    id: int
    kind: str
    name: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None


def session_user(user_id: Any) -> User | None:
    """The person of a session, with `factor_asked`: whether a rule for one of their roles is in force, and
    `consent_asked`: whether a text in force has no answer of theirs.

    The questions ride on the query that loads the person, so that a portal without such rules pays nothing for them.
    """
    statement, arguments, stand_in = _session_query(connection.vendor)
    wanted = _as_stored(user_id)
    return next(iter(User.objects.raw(statement, [wanted if each == stand_in else each for each in arguments])), None)


@cache
def _session_query(vendor: str) -> tuple[str, tuple[Any, ...], Any]:
    """The statement, its arguments, and the one of them in place of which the person's id stands.

    It is the same for every request of everybody, and putting it together takes six times as long as asking it.
    """
    nobody = uuid.UUID(int=0)
    policies = FactorPolicy.objects.filter(enforced_from__lte=Now()).filter(
        Q(role__in=RoleGrant.objects.live().filter(user=OuterRef(OuterRef("pk"))).order_by().values("role"))
        | Q(role__in=Membership.objects.live().filter(user=OuterRef(OuterRef("pk"))).order_by().values("role"))
    )
    asked = {"factor_asked": Exists(policies.order_by()), "consent_asked": unanswered(OuterRef(OuterRef("pk")))}
    found = User.objects.annotate(**asked).filter(pk=nobody).order_by()
    statement, arguments = found.query.sql_with_params()
    return statement, tuple(arguments), _as_stored(nobody)


def _as_stored(user_id: Any) -> Any:
    return User._meta.pk.get_db_prep_value(User._meta.pk.to_python(user_id), connection)


def duty_of(user: User) -> Duty | None:
    """The duty that binds a person first, or None.

    Of several that are due the strictest counts; while none is due, the one that comes first.
    """
    since: dict[str, dt.datetime] = {}
    for rows in (user.role_grants.live(), user.memberships.live()):
        for role, created_at in rows.order_by().values_list("role", "created_at"):
            since[role] = min(created_at, since.get(role, created_at))
    duties = [
        Duty(
            policy.strength,
            max(policy.enforced_from, since[policy.role] + dt.timedelta(days=policy.grace_days)),
            policy.role,
        )
        for policy in FactorPolicy.objects.filter(role__in=since)
    ]
    now = timezone.now()
    due = [duty for duty in duties if duty.due_at <= now]
    if due:
        return max(due, key=lambda duty: (duty.strength == FactorPolicy.Strength.PASSKEY, -duty.due_at.timestamp()))
    return min(duties, key=lambda duty: duty.due_at, default=None)


def require_factor(user: User, session: Mapping[str, Any]) -> None:
    """Let a session pass that has shown the second factor its person's roles ask for.

    Args:
        user: as `session_user` loaded them.
        session: the browser's.

    Raises:
        FactorRequired: it has not, and the time that they were given is over.
    """
    # A passkey is enough for every rule, so who has shown one is not asked which bind them.
    if not getattr(user, "factor_asked", False) or has_shown(session, user, FactorPolicy.Strength.PASSKEY):
        return
    duty = duty_of(user)
    if duty is None or duty.due_at > timezone.now() or has_shown(session, user, duty.strength):
        return
    wanted = "a passkey" if duty.strength == FactorPolicy.Strength.PASSKEY else "a second factor"
    raise FactorRequired(
        f"Your role ({duty.role}) asks for {wanted}, and this session has shown none.",
        remedy=f"Set one up at {REQUIRED_PAGE}, or sign in again with the one that you have.",
    )


def has_shown(session: Mapping[str, Any], user: User, strength: str) -> bool:
    """Whether a session has shown a factor of a strength, here or at a provider that asks for one itself."""
    shown = proofs(session, user)
    kinds = {record.get("type") for record in shown if record.get("method") == "mfa"}
    if strength == FactorPolicy.Strength.PASSKEY:
        return Authenticator.Type.WEBAUTHN.value in kinds
    through = {record.get("provider") for record in shown if record.get("method") == "socialaccount"}
    return bool(kinds) or (
        bool(through) and SignInProvider.objects.filter(slug__in=through, enabled=True, counts_as_factor=True).exists()
    )


def kinds_of(strength: str) -> tuple[str, ...]:
    """Kinds of factors that are as strong as a rule asks for."""
    if strength == FactorPolicy.Strength.PASSKEY:
        return (Authenticator.Type.WEBAUTHN.value,)
    return (Authenticator.Type.WEBAUTHN.value, Authenticator.Type.TOTP.value)


def factors_of(*, actor: Actor) -> list[Factor]:
    """The actor's own second factors."""
    return _factors(Authenticator.objects.filter(user=require_person(actor)))


def factors_of_person(*, actor: Actor, user: User) -> list[Factor]:
    """Somebody's second factors, without anything that would let one use them. Needs "users.manage"."""
    require(actor, "users.manage")
    return _factors(Authenticator.objects.filter(user=user))


def policies(*, actor: Actor) -> QuerySet[FactorPolicy]:
    """The rules. Everybody who sees accounts sees them."""
    require_sight(actor)
    return FactorPolicy.objects.select_related("set_by")


def who_would_be_locked_out(*, actor: Actor, role: str, strength: str) -> Sequence[uuid.UUID]:
    """People of a role who have no factor of a strength yet, so that a rule can be announced before it bites.

    Args:
        actor: needs "users.manage".
        role: one of the roles.
        strength: "any" or "passkey".
    """
    require(actor, "users.manage")
    holders = User.objects.get_queryset().active().filter(kind=User.Kind.HUMAN)
    if role in dict(Membership.Role.choices):
        holders = holders.filter(pk__in=Membership.objects.live().filter(role=role).values("user_id"))
    else:
        holders = holders.filter(pk__in=RoleGrant.objects.live().filter(role=role).values("user_id"))
    equipped = Authenticator.objects.filter(type__in=kinds_of(strength)).values("user_id")
    return list(holders.exclude(pk__in=equipped).order_by("email").values_list("pk", flat=True))


def _factors(rows: QuerySet[Authenticator]) -> list[Factor]:
    return [
        Factor(
            row.pk,
            str(row.type),
            str(row.wrap().name) if row.type == "webauthn" else "",
            row.created_at,
            row.last_used_at,
        )
        for row in rows.order_by("created_at", "pk")
    ]
