"""Groups of people."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.api.workspaces import workspace_named
from apps.users.models import Group, GroupMember, GroupRole
from apps.users.selectors.access import Actor, require
from apps.users.selectors.groups import get_group, get_group_member, get_group_role, groups, members_of_group
from apps.users.selectors.people import get_person
from apps.users.selectors.sso import get_provider
from apps.users.services import groups as services


class GroupInput(Input):
    """A group."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    provider_id = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="The sign-in provider that fills the group."
    )
    provider_group = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="By which of its groups."
    )


class GroupRoleInput(Input):
    """A role that everybody in the group gets; without a workspace one for the whole portal."""

    role = serializers.CharField(max_length=8)
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)


class GroupRoleOutput(serializers.Serializer):
    """A role of a group."""

    id = serializers.UUIDField()
    role = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    workspace = serializers.CharField(allow_blank=True)


class GroupOutput(serializers.Serializer):
    """A group with what it gives."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    provider_id = serializers.UUIDField(allow_null=True)
    provider_group = serializers.CharField(allow_blank=True)
    member_count = serializers.IntegerField()
    roles = GroupRoleOutput(many=True)
    created_at = serializers.DateTimeField()


class GroupMemberInput(Input):
    """Somebody for the group."""

    user_id = serializers.UUIDField()
    reason = serializers.CharField(max_length=300)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class GroupMemberOutput(serializers.Serializer):
    """Somebody in a group."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    reason = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


_PLAIN = ("id", "name", "description", "provider_id", "provider_group", "created_at")


def _values(actor: Actor, values: dict[str, Any]) -> dict[str, Any]:
    if "provider_id" in values:
        wanted = values.pop("provider_id")
        values["provider"] = get_provider(actor=actor, provider_id=wanted) if wanted else None
    return values


def _role(row: GroupRole) -> dict[str, Any]:
    return {
        "id": row.pk,
        "role": row.role,
        "workspace_id": row.workspace_id,
        "workspace": row.workspace.name if row.workspace else "",
    }


def _group(row: Group) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in _PLAIN}
    return {
        **plain,
        "member_count": getattr(row, "member_count", 0),
        "roles": [_role(each) for each in row.roles.all()],
    }


def _member(row: GroupMember) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in ("id", "user_id", "reason", "source", "expires_at", "created_at")}
    return {**plain, "email": row.user.email}


class GroupListView(APIView):
    """Groups."""

    pagination_class = CursorPage

    @extend_schema(operation_id="groups_list", responses=GroupOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them; for those who manage or audit accounts."""
        return paginated(request, groups(actor=actor_of(request)), row=_group)

    @extend_schema(operation_id="groups_create", request=GroupInput, responses={201: GroupOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make one."""
        actor, values = actor_of(request), read(GroupInput, request)
        require(actor, "users.manage")
        made = services.create_group(actor=actor, **_values(actor, values))
        return Response(_group(made), status=status.HTTP_201_CREATED)


class GroupView(APIView):
    """One group."""

    @extend_schema(operation_id="groups_read", responses=GroupOutput)
    def get(self, request: Request, group_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_group(get_group(actor=actor_of(request), group_id=group_id)))

    @extend_schema(operation_id="groups_update", request=GroupInput, responses=GroupOutput)
    def patch(self, request: Request, group_id: uuid.UUID) -> Response:
        """Change its name or description."""
        actor = actor_of(request)
        group = get_group(actor=actor, group_id=group_id)
        values = read(GroupInput, request, partial=True)
        services.update_group(actor=actor, group=group, **_values(actor, values))
        return self.get(request, group_id)

    @extend_schema(operation_id="groups_delete", responses={204: None})
    def delete(self, request: Request, group_id: uuid.UUID) -> Response:
        """Remove it, and with it all that it gives."""
        actor = actor_of(request)
        services.delete_group(actor=actor, group=get_group(actor=actor, group_id=group_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class GroupRoleListView(APIView):
    """Roles of a group."""

    @extend_schema(operation_id="groups_roles_add", request=GroupRoleInput, responses={201: GroupRoleOutput})
    @idempotent
    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Give everybody in it a role."""
        actor, values = actor_of(request), read(GroupRoleInput, request)
        group = get_group(actor=actor, group_id=group_id)
        room = workspace_named(values["workspace_id"])
        row = services.add_role(actor=actor, group=group, role=values["role"], workspace=room)
        return Response(_role(row), status=status.HTTP_201_CREATED)


class GroupRoleView(APIView):
    """One role of a group."""

    @extend_schema(operation_id="groups_roles_remove", responses={204: None})
    def delete(self, request: Request, group_id: uuid.UUID, group_role_id: uuid.UUID) -> Response:
        """Take it away."""
        actor = actor_of(request)
        row = get_group_role(actor=actor, group_id=group_id, role_id=group_role_id)
        services.remove_role(actor=actor, row=row)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GroupMemberListView(APIView):
    """People of a group."""

    pagination_class = CursorPage

    @extend_schema(operation_id="groups_members_list", responses=GroupMemberOutput(many=True))
    def get(self, request: Request, group_id: uuid.UUID) -> Response:
        """List who is in it."""
        actor = actor_of(request)
        rows = members_of_group(actor=actor, group=get_group(actor=actor, group_id=group_id))
        return paginated(request, rows, row=_member)

    @extend_schema(operation_id="groups_members_add", request=GroupMemberInput, responses={201: GroupMemberOutput})
    @idempotent
    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Put somebody in."""
        actor, values = actor_of(request), read(GroupMemberInput, request)
        group = get_group(actor=actor, group_id=group_id)
        user = get_person(actor=actor, user_id=values.pop("user_id"))
        member = services.add_to_group(actor=actor, group=group, user=user, **values)
        return Response(_member(member), status=status.HTTP_201_CREATED)


class GroupMemberView(APIView):
    """Somebody in a group."""

    @extend_schema(operation_id="groups_members_remove", responses={204: None})
    def delete(self, request: Request, group_id: uuid.UUID, group_member_id: uuid.UUID) -> Response:
        """Take them out."""
        actor = actor_of(request)
        member = get_group_member(actor=actor, group_id=group_id, member_id=group_member_id)
        services.remove_from_group(actor=actor, member=member, reason="Through the API")
        return Response(status=status.HTTP_204_NO_CONTENT)
