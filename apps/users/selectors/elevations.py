"""Reads about elevations: who may ask for what, who may agree, what holds now."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
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
    system, rooms = _own_roles(user)
    return system.union(*rooms.values())


def _own_roles(user: User) -> tuple[set[str], dict[uuid.UUID | None, set[str]]]:
    """The same, apart: those for the whole portal, and those of each workspace."""
    system = RoleGrant.objects.live().filter(user=user, elevation=None).values_list("role", flat=True)
    members = Membership.objects.live().filter(user=user, elevation=None).values_list("workspace_id", "role")
    rooms: dict[uuid.UUID | None, set[str]] = {}
    for room, role in members.order_by():
        rooms.setdefault(room, set()).add(role)
    return set(system.order_by()), rooms


def policies_for(*, actor: Actor) -> list[ElevationPolicy]:
    """What the actor may ask for."""
    user = require_user(actor)
    held = roles_of(user)
    if user.kind != User.Kind.HUMAN:
        return []
    return [each for each in ElevationPolicy.objects.filter(enabled=True) if held & set(each.eligible_roles)]


def askable_policies(*, actor: Actor) -> QuerySet[ElevationPolicy]:
    """The same as rows, for a list in pages."""
    return ElevationPolicy.objects.filter(pk__in=[each.pk for each in policies_for(actor=actor)])


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
    return elevation.pk in decidable_by(user, [elevation])


def decidable_by(user: User | None, elevations: Iterable[Elevation]) -> set[uuid.UUID]:
    """Ids of those requests for which somebody's word counts, by two queries however many there are.

    It is the rule of `approvers_of`, asked from the other side.
    """
    if user is None or user.status != User.Status.ACTIVE or user.kind != User.Kind.HUMAN:
        return set()
    system, rooms = _own_roles(user)
    return {
        each.pk
        for each in elevations
        if each.user_id != user.pk and (system | rooms.get(each.workspace_id, set())) & set(each.policy.approver_roles)
    }


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
    system, rooms = _own_roles(user)
    named = ElevationPolicy.objects.order_by().values_list("pk", "approver_roles")
    decides = [pk for pk, roles in named if system & set(roles)]
    # Whose room it is sees who was let into it.
    edits = [room for room, roles in rooms.items() if "editor" in roles]
    return rows.filter(Q(user=user) | Q(policy__in=decides) | Q(workspace_id__in=edits))


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
    others = list(visible_elevations(actor=actor).open().exclude(user=user))  # type: ignore[attr-defined]
    mine = decidable_by(user, others)
    return Desk(
        asking=policies_for(actor=actor),
        live=list(own.live()),  # type: ignore[attr-defined]
        waiting=list(own.open()),  # type: ignore[attr-defined]
        to_decide=[row for row in others if row.pk in mine],
        past=[row for row in own[:20] if row.standing not in ("open", "active")],
    )
