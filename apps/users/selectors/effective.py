"""What somebody can do, and why: every capability with each way that leads to it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiwriter.core.errors import InvalidInput
from apps.users.models import ApiToken, ElevationPolicy, Membership, RoleGrant, User, Workspace
from apps.users.models.capabilities import CAPABILITIES
from apps.users.models.grants import contents, policy_contents, withheld
from apps.users.selectors.access import ALL_ROLES, Actor, require_sight
from apps.users.selectors.elevations import policies_for


@dataclass(frozen=True, slots=True)
class Way:
    """One grant that leads to a capability.

    Args:
        kind: "role" or "membership".
        grant_id: its row.
        role: "" for capabilities that were lent by name.
        source: "person", "provider", "group" or "elevation".
        given_by: who; "" for the system.
        reason: why.
        group: through which.
        elevation_id: through which.
        since: from when on.
        expires_at: until when; None: no end.
        reduced: whether only a part of the role is left.
        withheld: whether a policy keeps this way closed: "only by elevation".
    """

    kind: str
    grant_id: uuid.UUID
    role: str
    source: str
    given_by: str
    reason: str
    group: str
    elevation_id: uuid.UUID | None
    since: dt.datetime
    expires_at: dt.datetime | None
    reduced: bool
    withheld: bool


@dataclass(frozen=True, slots=True)
class Held:
    """One capability in one place.

    Args:
        capability: which.
        meaning: in words.
        workspace: where; None: in the whole portal.
        ways: every grant that leads to it.
        tokens: API keys of the person that carry it now.
        allowed: whether one of the ways is open and the account may act.
    """

    capability: str
    meaning: str
    workspace: Workspace | None
    ways: list[Way]
    tokens: list[ApiToken]
    allowed: bool


@dataclass(frozen=True, slots=True)
class Effective:
    """The whole answer."""

    user: User
    held: list[Held]
    may_ask: list[tuple[ElevationPolicy, list[str]]] = field(default_factory=list)

    @property
    def allowed(self) -> frozenset[tuple[str, uuid.UUID | None]]:
        """(capability, workspace) that work now."""
        return frozenset(
            (each.capability, each.workspace.pk if each.workspace else None) for each in self.held if each.allowed
        )


def effective_access(*, actor: Actor, user: User, capability: str = "") -> Effective:
    """What somebody can do now, and why.

    Args:
        actor: the person, or who manages or audits accounts.
        user: whose.
        capability: only this one.

    Raises:
        PermissionDenied: it is somebody else's account.
        InvalidInput: no such capability.
    """
    if actor.user_id != user.pk or actor.token is not None:
        require_sight(actor)
    if capability and capability not in CAPABILITIES:
        raise InvalidInput(f"'{capability[:60]}' is no capability.", field="capability")
    grants, members = grants_of([user]), members_of([user])
    tokens = list(ApiToken.objects.usable(user=user).order_by("name"))
    held = work_out(user, grants, members, withheld(), tokens)
    may_ask = [
        (policy, sorted(policy_contents(policy.role, policy.capabilities)))
        for policy in policies_for(actor=Actor.for_user(user))
        if user.is_active
    ]
    return Effective(user, [each for each in held if not capability or each.capability == capability], may_ask)


def grants_of(users: Iterable[User]) -> list[RoleGrant]:
    """Live system grants of some people."""
    rows = RoleGrant.objects.live().filter(user__in=list(users))
    return list(rows.select_related("granted_by", "group").order_by("role", "created_at"))


def members_of(users: Iterable[User]) -> list[Membership]:
    """Live memberships of some people."""
    rows = Membership.objects.live().filter(user__in=list(users))
    return list(rows.select_related("granted_by", "group", "workspace").order_by("workspace__name", "role"))


def work_out(
    user: User,
    grants: Iterable[RoleGrant],
    members: Iterable[Membership],
    strict: frozenset[str],
    tokens: Iterable[ApiToken] = (),
) -> list[Held]:
    """Put grants together into what they allow. `apps.users.selectors.access.can` gives the same answers one by one.

    Args:
        user: whose.
        grants, members: live ones of theirs.
        strict: what policies withhold, from `apps.users.models.grants.withheld`.
        tokens: of theirs.
    """
    ways: dict[tuple[Workspace | None, str], list[Way]] = {}
    for grant in grants:
        for capability in contents(grant.role, grant.only, ALL_ROLES):
            shut = not grant.elevation_id and not user.is_emergency and capability in strict
            ways.setdefault((None, capability), []).append(_way("role", grant, shut))
    for member in members:
        for capability in contents(member.role, member.only, ALL_ROLES):
            ways.setdefault((member.workspace, capability), []).append(_way("membership", member, False))
    keys = list(tokens)
    found = []
    for (room, capability), reasons in ways.items():
        open_ways = [way for way in reasons if not way.withheld]
        lasting = [way for way in open_ways if way.elevation_id is None]
        carried = [each for each in keys if lasting and _carries(each, capability, room)]
        found.append(
            Held(capability, CAPABILITIES[capability], room, reasons, carried, user.is_active and bool(open_ways))
        )
    return sorted(found, key=lambda each: (each.workspace is not None, str(each.workspace or ""), each.capability))


def _carries(token: ApiToken, capability: str, room: Workspace | None) -> bool:
    if capability not in token.scopes:
        return False
    return token.workspace_id is None or (room is not None and token.workspace_id == room.pk)


def _way(kind: str, row: RoleGrant | Membership, shut: bool) -> Way:
    return Way(
        kind=kind,
        grant_id=row.pk,
        role=row.role,
        source=row.source,
        given_by=str(row.granted_by or ""),
        reason=row.reason,
        group=str(row.group or ""),
        elevation_id=row.elevation_id,
        since=row.created_at,
        expires_at=row.expires_at,
        reduced=row.only is not None and bool(row.role),
        withheld=shut,
    )
