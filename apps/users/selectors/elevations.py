"""Reads about elevations: who may ask for what, who may agree, what holds now."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Prefetch, Q, QuerySet

from aiwriter.core.errors import NotFound
from apps.users.models import Elevation, ElevationPolicy, ElevationVote, Membership, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor, can, require_person, require_sight, require_user


def policies(*, actor: Actor) -> QuerySet[ElevationPolicy]:
    """All policies. Needs "users.manage" or "audit.read"."""
    require_sight(actor)
    return ElevationPolicy.objects.select_related("set_by")


def get_policy(*, actor: Actor, policy_id: uuid.UUID | str) -> ElevationPolicy:
    """One policy.

    Raises:
        NotFound: there is none.
    """
    found = policies(actor=actor).filter(pk=policy_id).first()
    if found is None:
        raise NotFound("There is no such policy.")
    return found


def roles_of(user: User) -> set[str]:
    """Roles that somebody holds of their own or through a group; what was lent does not count."""
    system = RoleGrant.objects.live().filter(user=user, elevation=None).values_list("role", flat=True)
    rooms = Membership.objects.live().filter(user=user, elevation=None).values_list("role", flat=True)
    return {*system.order_by(), *rooms.order_by()}


def policies_for(*, actor: Actor) -> list[ElevationPolicy]:
    """What the actor may ask for."""
    user = require_user(actor)
    held = roles_of(user)
    if user.kind != User.Kind.HUMAN:
        return []
    return [each for each in ElevationPolicy.objects.filter(enabled=True) if held & set(each.eligible_roles)]


def approvers_of(policy: ElevationPolicy, workspace: Workspace | None = None) -> QuerySet[User]:
    """Active people whose own roles let them agree; of editors and writers, those of the workspace in question."""
    system = RoleGrant.objects.live().filter(role__in=policy.approver_roles, elevation=None)
    found = Q(pk__in=system.values("user_id"))
    if workspace is not None:
        members = Membership.objects.live().filter(role__in=policy.approver_roles, workspace=workspace, elevation=None)
        found |= Q(pk__in=members.values("user_id"))
    return User.objects.filter(found, status=User.Status.ACTIVE, kind=User.Kind.HUMAN)


def may_decide(user: User, elevation: Elevation) -> bool:
    """Whether somebody's word counts for a request: another person, with a role that the policy names."""
    if user.pk == elevation.user_id:
        return False
    return approvers_of(elevation.policy, elevation.workspace).filter(pk=user.pk).exists()


def _with_votes() -> QuerySet[Elevation]:
    votes = Prefetch("votes", queryset=ElevationVote.objects.select_related("voter"))
    rows: QuerySet[Elevation] = Elevation.objects.select_related("policy", "user", "workspace", "ended_by")
    return rows.prefetch_related(votes)


def visible_elevations(*, actor: Actor) -> QuerySet[Elevation]:
    """Elevations that the actor may know of: all for those who manage or audit accounts, else their own and those that
    they may decide about."""
    rows = _with_votes()
    if can(actor, "audit.read") or can(actor, "users.manage"):
        return rows
    user = require_person(actor)
    asked = Q(user=user)
    for policy in ElevationPolicy.objects.order_by():
        system = set(policy.approver_roles) & {"operator", "auditor", "admin"}
        if system and RoleGrant.objects.live().filter(user=user, role__in=system, elevation=None).exists():
            asked |= Q(policy=policy)
    rooms = Membership.objects.live().filter(user=user, role="editor", elevation=None).values("workspace_id")
    # Whose room it is sees who was let into it.
    return rows.filter(asked | Q(workspace_id__in=rooms))


def get_elevation(*, actor: Actor, elevation_id: uuid.UUID | str) -> Elevation:
    """One elevation that the actor may know of.

    Raises:
        NotFound: there is none.
    """
    found = visible_elevations(actor=actor).filter(pk=elevation_id).first()
    if found is None:
        raise NotFound("There is no such elevation.")
    return found


@dataclass(frozen=True, slots=True)
class Desk:
    """What somebody has to do with elevations now."""

    asking: list[ElevationPolicy]
    live: list[Elevation]
    waiting: list[Elevation]
    to_decide: list[Elevation]
    past: list[Elevation]


def desk_of(*, actor: Actor) -> Desk:
    """A person's own page."""
    user = require_user(actor)
    own = _with_votes().filter(user=user)
    waiting = [row for row in visible_elevations(actor=actor).open().exclude(user=user) if may_decide(user, row)]  # type: ignore[attr-defined]
    return Desk(
        asking=policies_for(actor=actor),
        live=list(own.live()),  # type: ignore[attr-defined]
        waiting=list(own.open()),  # type: ignore[attr-defined]
        to_decide=waiting,
        past=[row for row in own[:20] if row.standing not in ("open", "active")],
    )
