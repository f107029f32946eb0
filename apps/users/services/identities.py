"""People who come through an identity provider: their account, their connection, the roles of their groups."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from django.db import transaction

from aiwriter.core.errors import Conflict, NotFound
from apps.users.models import Group, GroupMember, Membership, RoleGrant, SignInProvider, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services import audit
from apps.users.services.groups import add_to_group, remove_from_group
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role, revoke_role
from apps.users.services.workspaces import add_member, remove_member

_MOST_GROUPS = 500


def admit(*, provider: SignInProvider, email: str, confirmed: bool, full_name: str) -> User:
    """Make the account of somebody who comes through a provider for the first time.

    Args:
        provider: through which.
        email: as the provider says.
        confirmed: whether the provider says that the address is theirs.
        full_name: as the provider says.

    Raises:
        Conflict: an account has this address. Only its person can connect the two, from inside.
        NotFound: the provider makes no accounts, or not for this address.
    """
    email = email.strip().lower()
    if User.objects.filter(email=email).exists():
        raise Conflict(
            f"An account has the address {email} already.",
            remedy="Sign in to it as before, then connect the provider on your profile's page.",
        )
    domain = email.rpartition("@")[2]
    if not provider.creates_accounts or not confirmed or domain not in provider.domains:
        raise NotFound("You have no account here yet.", remedy="Ask an administrator of this portal to invite you.")
    return create_user(actor=_actor(provider), email=email, full_name=full_name[:150])


def note_connected(*, actor: Actor, provider: SignInProvider) -> None:
    """Record that a person has connected a provider with their account."""
    audit.record(actor, "identity.connected", obj=actor.user, after={"provider": provider.slug})


def note_disconnected(*, actor: Actor, provider: str) -> None:
    """Record that a person has taken a provider off their account."""
    audit.record(actor, "identity.disconnected", obj=actor.user, before={"provider": provider})


def settle_roles(*, provider: SignInProvider, user: User, groups: list[str]) -> None:
    """Give a person the roles that their groups are worth now, and take those that they are not worth any more.

    Called at each sign-in. What a person has given by hand is left alone.

    Args:
        provider: who names the groups.
        user: whose.
        groups: as named this time.
    """
    named = set(groups[:_MOST_GROUPS])
    rules = [rule for rule in provider.rules.select_related("workspace") if rule.group in named]
    settle(provider, user, {(rule.workspace, rule.role) for rule in rules}, named)


def settle(
    provider: SignInProvider,
    user: User,
    wanted: set[tuple[Workspace | None, str]],
    named: Collection[str] = frozenset(),
) -> None:
    """Bring what providers have given a person into line; for services that have asked for permission already."""
    actor = _actor(provider)
    rooms: dict[uuid.UUID, tuple[Workspace, str]] = {}
    for workspace, role in wanted:
        if workspace is not None and rooms.get(workspace.pk, (workspace, ""))[1] != Membership.Role.EDITOR:
            rooms[workspace.pk] = (workspace, role)
    system = {role for workspace, role in wanted if workspace is None}
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        for member in Membership.objects.filter(user=user, source=Membership.Source.PROVIDER):
            if rooms.get(member.workspace_id, (None, ""))[1] != member.role:
                _attempt(lambda row=member: remove_member(actor=actor, membership=row))
        for grant in RoleGrant.objects.filter(user=user, source=RoleGrant.Source.PROVIDER):
            if grant.role not in system:
                _attempt(lambda row=grant: revoke_role(actor=actor, grant=row, reason="Not in the group any more"))
        own = RoleGrant.objects.live().filter(user=user, group=None, elevation=None)
        held = set(own.values_list("role", flat=True))
        for role in sorted(system - held):
            reason = f"Group at {provider.name}"
            _attempt(
                lambda role=role, reason=reason: grant_role(
                    actor=actor, user=user, role=role, reason=reason, source=RoleGrant.Source.PROVIDER
                )
            )
        members = Membership.objects.live().filter(user=user, group=None, elevation=None)
        inside = set(members.values_list("workspace_id", flat=True))
        for workspace, role in rooms.values():
            if workspace.pk not in inside:
                _attempt(
                    lambda workspace=workspace, role=role: add_member(
                        actor=actor, workspace=workspace, user=user, role=role, source=Membership.Source.PROVIDER
                    )
                )

    _settle_groups(actor, provider, user, named)


def _settle_groups(actor: Actor, provider: SignInProvider, user: User, named: Collection[str]) -> None:
    """Put a person into the groups that the provider fills and they are in there, and out of the others."""
    reason = f"Group at {provider.name}"
    members = GroupMember.objects.live().filter(user=user, group__provider=provider).select_related("group", "user")
    inside = {member.group_id: member for member in members}
    for group in Group.objects.filter(provider=provider):
        member = inside.get(group.pk)
        if group.provider_group in named and member is None:
            _attempt(
                lambda group=group: add_to_group(
                    actor=actor, group=group, user=user, reason=reason, source=GroupMember.Source.PROVIDER
                )
            )
        elif group.provider_group not in named and member and member.source == GroupMember.Source.PROVIDER:
            _attempt(lambda member=member: remove_from_group(actor=actor, member=member, reason="Not in it any more"))


def _attempt(change: Any) -> None:
    """One change; what stands against it (the last administrator, an auditor's other role) must not keep anybody out."""
    try:
        with transaction.atomic():
            change()
    except Conflict as error:
        audit.record(Actor.system_actor("sign-in provider"), "role_rule.refused", outcome="denied", reason=str(error))


def _actor(provider: SignInProvider) -> Actor:
    return Actor.system_actor(f"sign-in provider {provider.slug}")
