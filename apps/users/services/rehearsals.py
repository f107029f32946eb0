"""Rehearses a change of rights: what would people have lost or gained in the last 30 days?

The change is really made, by the service that makes it, in a transaction that is undone; so a rehearsal cannot differ from
what happens. Then the recorded decisions of 30 days are held against what people could do before and after.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone

from aiwriter.core.errors import InvalidInput, NotFound
from apps.users.models import (
    CapabilityUse,
    ElevationPolicy,
    Group,
    GroupMember,
    GroupRole,
    Membership,
    RoleGrant,
    User,
    Workspace,
)
from apps.users.models.grants import withheld
from apps.users.selectors.access import Actor, require
from apps.users.selectors.effective import grants_of, members_of, work_out
from apps.users.selectors.shrinking import find_grant
from apps.users.selectors.uses import NOWHERE
from apps.users.services import elevation_policies, groups, people, roles, shrinking, workspaces

DAYS = 30
KINDS = {
    "grant_role": "Give a person a system role: user_id, role",
    "revoke_role": "Take a system role away: grant_id",
    "remove_member": "Take a person out of a workspace: grant_id",
    "change_member": "Give a member another role: grant_id, role",
    "reduce_role": "Leave a part of a system role: grant_id, keep",
    "reduce_member": "Leave a part of a membership: grant_id, keep",
    "add_to_group": "Put a person into a group: group_id, user_id",
    "remove_from_group": "Take a person out of a group: group_member_id",
    "add_group_role": "Give a group a role: group_id, role, workspace_id",
    "remove_group_role": "Take a role from a group: group_role_id",
    "delete_group": "Remove a group: group_id",
    "change_policy": "Change a policy: policy_id, strict, enabled",
    "suspend": "Suspend an account: user_id",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What one person would lose or gain.

    Args:
        user: who.
        capability: what.
        workspace: where; None: in the whole portal.
        gains: or loses.
        uses: of what is lost, how often it was used; of what is gained, how often it was asked for in vain.
        last: the last day of these.
    """

    user: User
    capability: str
    workspace: Workspace | None
    gains: bool
    uses: int
    last: dt.date | None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a change would do."""

    people: int
    effects: list[Effect]
    since: dt.date

    @property
    def felt(self) -> list[Effect]:
        """What would have been felt in these days."""
        return [each for each in self.effects if each.uses]


class _Undo(Exception):
    """Ends the transaction in which the change was made."""


def rehearse(*, actor: Actor, kind: str, values: Mapping[str, Any]) -> Rehearsal:
    """Try a change out.

    Args:
        actor: needs "users.manage", and what the change itself needs.
        kind: of `KINDS`.
        values: ids as the kind names them.

    Raises:
        InvalidInput: no such kind, or a value is missing.
        NotFound: there is no such row.
        AppError: what the change itself would be refused with.
    """
    require(actor, "users.manage")
    if kind not in KINDS:
        raise InvalidInput(f"'{kind[:40]}' is no change.", field="kind", remedy=f"Use one of {', '.join(KINDS)}.")
    # Nothing of it stays, so nobody has to show again who they are; making the change asks for that.
    change, concerned = _prepare(replace(actor, proven=True), kind, _Values(values))
    users = list(User.objects.filter(pk__in=concerned).order_by("email"))
    try:
        with transaction.atomic():
            before = _held(users)
            change()
            after = _held(list(User.objects.filter(pk__in=concerned).order_by("email")))
            raise _Undo
    except _Undo:
        pass
    return _compare(users, before, after)


class _Values:
    """Values of a change, each asked for by its name."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def text(self, name: str) -> str:
        """One that has to be there."""
        found = self.values.get(name)
        if not found:
            raise InvalidInput(f"The change needs '{name}'.", field=name)
        return str(found)

    def row(self, table: Any, name: str) -> Any:
        """The row that a value names."""
        try:
            found = table.objects.filter(pk=self.text(name)).first()
        except (ValidationError, ValueError):
            found = None
        if found is None:
            raise NotFound(f"There is nothing of this {name}.")
        return found

    def keep(self) -> list[str]:
        """What a reduction leaves."""
        found = self.values.get("keep") or []
        return [str(each) for each in found]


def _prepare(actor: Actor, kind: str, given: _Values) -> tuple[Callable[[], Any], Iterable[uuid.UUID]]:
    """The change and whom it concerns."""
    if kind in ("grant_role", "suspend"):
        user = given.row(User, "user_id")
        if kind == "suspend":
            return lambda: people.suspend_user(actor=actor, user=user, reason="rehearsal"), [user.pk]
        role = given.text("role")
        return lambda: roles.grant_role(actor=actor, user=user, role=role, reason="rehearsal"), [user.pk]
    if kind in ("revoke_role", "reduce_role", "remove_member", "change_member", "reduce_member"):
        return _about_grant(actor, kind, given)
    if kind == "change_policy":
        policy = given.row(ElevationPolicy, "policy_id")
        wanted = {name: given.values[name] for name in ("strict", "enabled") if given.values.get(name) is not None}
        holders = RoleGrant.objects.live().order_by().values_list("user_id", flat=True)
        return lambda: elevation_policies.update_policy(actor=actor, policy=policy, **wanted), set(holders)
    return _about_group(actor, kind, given)


def _about_grant(actor: Actor, kind: str, given: _Values) -> tuple[Callable[[], Any], Iterable[uuid.UUID]]:
    table = "role" if kind.endswith("role") else "membership"
    try:
        grant: Any = find_grant(table, given.text("grant_id"))
    except ValidationError:
        raise NotFound("There is no such grant.") from None
    if kind == "revoke_role":
        return lambda: roles.revoke_role(actor=actor, grant=grant), [grant.user_id]
    if kind == "remove_member":
        return lambda: workspaces.remove_member(actor=actor, membership=grant), [grant.user_id]
    if kind == "change_member":
        wanted = {"role": given.text("role"), "expires_at": grant.expires_at}
        return lambda: workspaces.change_member(actor=actor, membership=grant, **wanted), [grant.user_id]
    keep = given.keep()
    return lambda: shrinking.reduce_grant(actor=actor, grant=grant, keep=keep), [grant.user_id]


def _about_group(actor: Actor, kind: str, given: _Values) -> tuple[Callable[[], Any], Iterable[uuid.UUID]]:
    if kind == "remove_from_group":
        member = given.row(GroupMember, "group_member_id")
        return lambda: groups.remove_from_group(actor=actor, member=member), [member.user_id]
    if kind == "remove_group_role":
        row = given.row(GroupRole, "group_role_id")
        return lambda: groups.remove_role(actor=actor, row=row), _in_group(row.group)
    group = given.row(Group, "group_id")
    if kind == "delete_group":
        return lambda: groups.delete_group(actor=actor, group=group), _in_group(group)
    if kind == "add_to_group":
        user = given.row(User, "user_id")
        return lambda: groups.add_to_group(actor=actor, group=group, user=user, reason="rehearsal"), [user.pk]
    role = given.text("role")
    room = given.row(Workspace, "workspace_id") if given.values.get("workspace_id") else None
    return lambda: groups.add_role(actor=actor, group=group, role=role, workspace=room), _in_group(group)


def _in_group(group: Group) -> list[uuid.UUID]:
    return list(group.members.order_by().values_list("user_id", flat=True))


_Places = dict[tuple[str, uuid.UUID], Workspace | None]
# Where, how often done and refused, the last day; by person and capability.
_Counted = tuple[uuid.UUID, int, int, dt.date]
_Seen = dict[tuple[uuid.UUID, str], list[_Counted]]


def _held(users: list[User]) -> dict[uuid.UUID, _Places]:
    strict = withheld()
    grants: dict[uuid.UUID, list[RoleGrant]] = {}
    members: dict[uuid.UUID, list[Membership]] = {}
    for grant in grants_of(users):
        grants.setdefault(grant.user_id, []).append(grant)
    for member in members_of(users):
        members.setdefault(member.user_id, []).append(member)
    return {
        user.pk: {
            (each.capability, each.workspace.pk if each.workspace else NOWHERE): each.workspace
            for each in work_out(user, grants.get(user.pk, ()), members.get(user.pk, ()), strict)
            if each.allowed
        }
        for user in users
    }


def _compare(users: list[User], before: dict[uuid.UUID, _Places], after: dict[uuid.UUID, _Places]) -> Rehearsal:
    since = (timezone.now() - dt.timedelta(days=DAYS)).date()
    rows = (
        CapabilityUse.objects.filter(user__in=users, day__gte=since)
        .order_by()
        .values_list("user_id", "capability", "workspace_id")
        .annotate(done=Sum("allowed"), refused=Sum("denied"), last=Max("day"))
    )
    seen: _Seen = {}
    for user_id, capability, room, done, refused, last in rows:
        seen.setdefault((user_id, capability), []).append((room, done, refused, last))
    effects = []
    for user in users:
        was, will = before[user.pk], after[user.pk]
        for gains, changed in ((False, was.keys() - will.keys()), (True, will.keys() - was.keys())):
            for capability, room in sorted(changed):
                place = (was if not gains else will)[capability, room]
                uses, last = _felt(seen.get((user.pk, capability), []), room, gains=gains)
                if not gains and not _still_missed(will, capability, room):
                    uses, last = 0, None
                effects.append(Effect(user, capability, place, gains, uses, last))
    effects.sort(key=lambda each: (-each.uses, each.gains, each.user.email, each.capability))
    return Rehearsal(len(users), effects, since)


def _felt(seen: list[_Counted], room: uuid.UUID, *, gains: bool) -> tuple[int, dt.date | None]:
    """How often it was used or asked for there; a role for the whole portal answers for every place."""
    found = [
        (refused if gains else done, last)
        for where, done, refused, last in seen
        if room == NOWHERE or where in (room, NOWHERE)
    ]
    total = sum(number for number, _ in found)
    return total, max((day for number, day in found if number), default=None)


def _still_missed(will: _Places, capability: str, room: uuid.UUID) -> bool:
    """Whether what is lost in one place is not allowed by something for the whole portal anyway."""
    return room == NOWHERE or (capability, NOWHERE) not in will
