"""Groups: made, filled, given roles. What a group gives stands as rows of its members, so that it counts everywhere at once."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput
from apps.users.models import Group, GroupMember, GroupRole, Membership, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services import audit
from apps.users.services.people import refuse_losing_last_admin
from apps.users.services.roles import check_end, refuse_mixing
from apps.users.services.workspaces import refuse_losing_last_editor


def create_group(*, actor: Actor, **values: Any) -> Group:
    """Make an empty group.

    Args:
        actor: needs "users.manage".
        values: name, description; provider and provider_group: the sign-in provider that fills it, and by which group.

    Raises:
        InvalidInput: it has no name, or a provider without a group there.
        Conflict: the name is taken.
    """
    require(actor, "users.manage")
    require_proof(actor)
    return _store(actor, Group(), values, "group.created")


def update_group(*, actor: Actor, group: Group, **values: Any) -> Group:
    """Change what `create_group` takes.

    People whom a provider has put in stay until they sign in again; when another provider or none fills the group, they go at
    once, because no sign-in would take them out.

    Raises:
        InvalidInput: as for `create_group`.
        Conflict: as for `create_group`, or one of those who go is the last administrator or editor.
    """
    require(actor, "users.manage")
    require_proof(actor)
    before = group.provider_id
    with transaction.atomic():
        _store(actor, group, values, "group.changed")
        if before is not None and group.provider_id != before:
            for member in group.members.filter(source=GroupMember.Source.PROVIDER).select_related("user", "group"):
                remove_from_group(actor=actor, member=member, reason="The provider does not fill the group any more.")
    return group


def delete_group(*, actor: Actor, group: Group) -> None:
    """Remove a group, and with it all that it gives. The actor needs "users.manage".

    Raises:
        Conflict: the portal would lose its last administrator, or a workspace its last editor.
    """
    require(actor, "users.manage")
    require_proof(actor)
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=group.pk)
        for grant in RoleGrant.objects.filter(group=group, role="admin").select_related("user"):
            refuse_losing_last_admin(grant.user, grant)
            grant.delete()
        for held in Membership.objects.filter(group=group, role="editor").select_related("user", "workspace"):
            refuse_losing_last_editor(held)
            held.delete()
        people = [str(each) for each in group.members.values_list("user_id", flat=True)]
        audit.record(actor, "group.deleted", obj=group, before={"name": group.name, "members": people})
        group.delete()


def add_role(*, actor: Actor, group: Group, role: str, workspace: Workspace | None = None) -> GroupRole:
    """Give everybody in a group a role.

    Args:
        actor: needs "users.manage", and is not in the group.
        group: which.
        role: "writer" or "editor" of the workspace, or without one "operator", "auditor", "admin".
        workspace: where.

    Raises:
        InvalidInput: a role that does not belong there.
        Conflict: the group has it, a member would be auditor and something else, or the actor is in it.
    """
    require(actor, "users.manage")
    require_proof(actor)
    fitting = Membership.Role.values if workspace else RoleGrant.Role.values
    if role not in fitting:
        raise InvalidInput(f"'{role}' does not fit here.", field="role", remedy=f"Use {', '.join(fitting)}.")
    if workspace is None:
        _refuse_oneself(actor, group)
    try:
        with transaction.atomic():
            Group.objects.select_for_update().get(pk=group.pk)
            row = GroupRole.objects.create(group=group, workspace=workspace, role=role)
            audit.record(actor, "group.role_added", obj=group, workspace=workspace, after={"role": str(row)})
            _settle(actor, group)
    except IntegrityError as error:
        raise Conflict(f"{group} has a role there already.", field="role", remedy="Remove that one first.") from error
    return row


def remove_role(*, actor: Actor, row: GroupRole) -> None:
    """Take a role from a group, and so from everybody who has it through the group alone.

    Raises:
        Conflict: the portal would lose its last administrator, or the workspace its last editor.
    """
    require(actor, "users.manage")
    require_proof(actor)
    group = row.group
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=group.pk)
        before = {"role": str(row)}
        audit.record(actor, "group.role_removed", obj=group, workspace=row.workspace_id, before=before)
        # Not by the object, which would lose its id also where the next line refuses.
        GroupRole.objects.filter(pk=row.pk).delete()
        _settle(actor, group)


def add_to_group(
    *,
    actor: Actor,
    group: Group,
    user: User,
    reason: str,
    expires_at: dt.datetime | None = None,
    source: str = GroupMember.Source.PERSON,
) -> GroupMember:
    """Put somebody into a group.

    Args:
        actor: needs "users.manage"; nobody puts themselves into a group with a role for the whole portal.
        group: which.
        user: whom.
        reason: why, for those who review it later.
        expires_at: when it ends by itself; None: not.
        source: "provider" for one who comes from a group there and goes with it.

    Raises:
        InvalidInput: no reason, or the end lies in the past.
        Conflict: they are in it, or an auditor would hold a second role.
    """
    require(actor, "users.manage")
    require_proof(actor)
    if not reason.strip():
        raise InvalidInput("It needs a reason.", field="reason", remedy="Say why this person is in the group.")
    check_end(expires_at)
    if actor.user_id == user.pk and group.roles.filter(workspace=None).exists():
        raise Conflict("You cannot grant a role to yourself.", remedy="Ask another administrator.")
    try:
        with transaction.atomic():
            Group.objects.select_for_update().get(pk=group.pk)
            GroupMember.objects.filter(group=group, user=user, expires_at__lte=timezone.now()).delete()
            member = GroupMember.objects.create(
                group=group,
                user=user,
                added_by=actor.user,
                reason=reason.strip()[:300],
                source=source,
                expires_at=expires_at,
            )
            # The membership is what it is about: a name in the record is sealed with the key of that person.
            after = {"user": user.email, "group": str(group.pk), "expires_at": expires_at}
            audit.record(actor, "group.member_added", obj=member, reason=reason, after=after)
            _settle(actor, group)
    except IntegrityError as error:
        raise Conflict(f"{user} is in {group} already.", field="user") from error
    return member


def remove_from_group(*, actor: Actor, member: GroupMember, reason: str = "") -> None:
    """Take somebody out of a group.

    Raises:
        Conflict: the portal would lose its last administrator, or a workspace its last editor.
    """
    require(actor, "users.manage")
    require_proof(actor)
    group = member.group
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=group.pk)
        before = {"user": member.user.email, "group": str(group.pk)}
        audit.record(actor, "group.member_removed", obj=member, reason=reason, before=before)
        GroupMember.objects.filter(pk=member.pk).delete()
        _settle(actor, group)


def _refuse_oneself(actor: Actor, group: Group) -> None:
    if actor.user is not None and group.members.filter(user=actor.user).exists():
        raise Conflict(
            "You are in this group: you would grant a role to yourself.", remedy="Ask another administrator."
        )


_FIELDS = ("name", "description", "provider", "provider_group")


def _store(actor: Actor, group: Group, values: dict[str, Any], action: str) -> Group:
    before = None if group._state.adding else _state(group)
    if unknown := set(values) - set(_FIELDS):
        raise InvalidInput("A group has no such field.", field=min(unknown))
    for name, value in values.items():
        setattr(group, name, value.strip() if isinstance(value, str) else value)
    if not group.name:
        raise InvalidInput("A group needs a name.", field="name")
    if bool(group.provider_id) != bool(group.provider_group):
        raise InvalidInput(
            "A provider fills a group by a group there.", field="provider_group", remedy="Give both, or neither."
        )
    try:
        with transaction.atomic():
            group.save()
            audit.record(actor, action, obj=group, before=before, after=_state(group))
    except IntegrityError as error:
        raise Conflict(f"A group '{group.name}' exists already.", field="name", remedy="Choose another.") from error
    return group


def _state(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "description": group.description,
        "provider": str(group.provider or ""),
        "provider_group": group.provider_group,
    }


def _settle(actor: Actor, group: Group) -> None:
    """Bring the rows that a group gives into line with who is in it and what it is worth. With the group's row locked."""
    members = list(group.members.live().select_related("user").order_by("user_id"))
    # In one order, so that two groups which are settled at once cannot wait for each other.
    list(User.objects.select_for_update().filter(pk__in=[each.user_id for each in members]).order_by("pk"))
    roles = list(group.roles.all())
    _settle_system(actor, group, members, {row.role for row in roles if row.workspace_id is None})
    rooms = {row.workspace_id: row.role for row in roles if row.workspace_id is not None}
    wanted = {(each.user_id, room): (each, role) for each in members for room, role in rooms.items()}
    for held in Membership.objects.filter(group=group).select_related("user", "workspace"):
        found = wanted.pop((held.user_id, held.workspace_id), None)
        if found is None:
            refuse_losing_last_editor(held)
            held.delete()
            continue
        member, role = found
        Membership.objects.filter(pk=held.pk).update(role=role, expires_at=member.expires_at)
    for (user_id, room), (member, role) in wanted.items():
        Membership.objects.create(user_id=user_id, workspace_id=room, role=role, **_row(actor, group, member))


def _settle_system(actor: Actor, group: Group, members: list[GroupMember], roles: set[str]) -> None:
    wanted = {(each.user_id, role): each for each in members for role in roles}
    for held in RoleGrant.objects.filter(group=group).select_related("user"):
        member = wanted.pop((held.user_id, held.role), None)
        if member is None:
            if held.role == RoleGrant.Role.ADMIN:
                refuse_losing_last_admin(held.user, held)
            held.delete()
        else:
            RoleGrant.objects.filter(pk=held.pk).update(expires_at=member.expires_at)
    for (_, role), member in wanted.items():
        refuse_mixing(member.user, role)
        RoleGrant.objects.create(user=member.user, role=role, **_row(actor, group, member))


def _row(actor: Actor, group: Group, member: GroupMember) -> dict[str, Any]:
    return {
        "group": group,
        "granted_by": actor.user,
        "reason": member.reason,
        "source": RoleGrant.Source.GROUP,
        "expires_at": member.expires_at,
    }
