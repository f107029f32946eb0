"""Reads about groups."""

from __future__ import annotations

import uuid

from django.db.models import Count, QuerySet

from aiwriter.core.errors import NotFound
from apps.users.models import Group, GroupMember, GroupRole
from apps.users.models.expiry import not_expired
from apps.users.selectors.access import Actor, require_sight


def groups(*, actor: Actor) -> QuerySet[Group]:
    """All groups with `member_count`. Needs "users.manage" or "audit.read"."""
    require_sight(actor)
    counted = Count("members", filter=not_expired("members__"), distinct=True)
    return Group.objects.annotate(member_count=counted).prefetch_related("roles__workspace")


def get_group(*, actor: Actor, group_id: uuid.UUID | str) -> Group:
    """One group.

    Raises:
        NotFound: there is none.
    """
    found = groups(actor=actor).filter(pk=group_id).first()
    if found is None:
        raise NotFound("There is no such group.")
    return found


def members_of_group(*, actor: Actor, group: Group) -> QuerySet[GroupMember]:
    """Who is in it now."""
    require_sight(actor)
    rows: QuerySet[GroupMember] = GroupMember.objects.live().filter(group=group).select_related("user", "added_by")
    return rows


def get_group_member(*, actor: Actor, group_id: uuid.UUID, member_id: uuid.UUID) -> GroupMember:
    """Somebody in a group.

    Raises:
        NotFound: there is no such group, or nobody of that id in it.
    """
    require_sight(actor)
    found: GroupMember | None = (
        GroupMember.objects.filter(pk=member_id, group_id=group_id).select_related("user", "group").first()
    )
    if found is None:
        raise NotFound("There is nobody like that in the group.")
    return found


def get_group_role(*, actor: Actor, group_id: uuid.UUID, role_id: uuid.UUID) -> GroupRole:
    """A role of a group.

    Raises:
        NotFound: it has none of that id.
    """
    require_sight(actor)
    found = GroupRole.objects.filter(pk=role_id, group_id=group_id).select_related("group", "workspace").first()
    if found is None:
        raise NotFound("The group has no such role.")
    return found
