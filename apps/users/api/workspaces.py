"""Workspaces and their members."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput, NotFound
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import Membership, Workspace
from apps.users.selectors.access import get_workspace
from apps.users.selectors.belongings import find_active_user, members_of, workspaces_with_counts
from apps.users.services import workspaces


class WorkspaceOutput(serializers.Serializer):
    """A workspace of the caller."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    slug = serializers.CharField()
    member_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class WorkspaceInput(Input):
    """What may be changed of a workspace."""

    name = serializers.CharField(max_length=120)


class NewWorkspaceInput(WorkspaceInput):
    """A new workspace; `slug` stands in addresses, and is made from the name where there is none."""

    slug = serializers.SlugField(max_length=50, required=False, allow_blank=True, default="")


class MemberOutput(serializers.Serializer):
    """A member."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    full_name = serializers.CharField(allow_blank=True)
    role = serializers.ChoiceField(choices=Membership.Role.choices)
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class MemberChangeInput(Input):
    """A member's role."""

    role = serializers.ChoiceField(choices=Membership.Role.choices)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class MemberInput(MemberChangeInput):
    """A new member: somebody who has an account."""

    email = serializers.EmailField()


def _workspace(row: Workspace) -> dict[str, object]:
    plain = {name: getattr(row, name) for name in ("id", "name", "slug", "created_at")}
    # Of one that was only just made nobody has counted them.
    return {**plain, "member_count": getattr(row, "member_count", 0)}


def _member(row: Membership) -> dict[str, object]:
    return {
        "id": row.pk,
        "user_id": row.user_id,
        "email": row.user.email,
        "full_name": row.user.full_name,
        "role": row.role,
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


def workspace_named(workspace_id: uuid.UUID | None) -> Workspace | None:
    """The workspace that a body names by `workspace_id`, whoever is in it; None where it names none.

    Raises:
        InvalidInput: there is none of that id.
    """
    found = Workspace.objects.filter(pk=workspace_id).first() if workspace_id else None
    if workspace_id and found is None:
        raise InvalidInput("There is no such workspace.", field="workspace_id")
    return found


class WorkspaceListView(APIView):
    """The caller's workspaces."""

    pagination_class = CursorPage

    @extend_schema(operation_id="workspaces_list", responses=WorkspaceOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, workspaces_with_counts(actor=actor_of(request)), row=_workspace)

    @extend_schema(operation_id="workspaces_create", request=NewWorkspaceInput, responses={201: WorkspaceOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make one, with nobody in it; for those who manage accounts."""
        made = workspaces.create_workspace(actor=actor_of(request), **read(NewWorkspaceInput, request))
        return Response(_workspace(made), status=status.HTTP_201_CREATED)


class WorkspaceView(APIView):
    """One workspace."""

    @extend_schema(operation_id="workspaces_read", responses=WorkspaceOutput)
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        """Read it."""
        found = workspaces_with_counts(actor=actor_of(request)).filter(pk=workspace_id).first()
        if found is None:
            raise NotFound("There is no such workspace.")
        return Response(_workspace(found))

    @extend_schema(operation_id="workspaces_update", request=WorkspaceInput, responses=WorkspaceOutput)
    def patch(self, request: Request, workspace_id: uuid.UUID) -> Response:
        """Rename it; for its editors."""
        actor = actor_of(request)
        workspace = get_workspace(actor, workspace_id)
        values = {"name": workspace.name} | read(WorkspaceInput, request, partial=True)
        workspaces.rename_workspace(actor=actor, workspace=workspace, **values)
        return self.get(request, workspace_id)


class MemberListView(APIView):
    """Members of a workspace."""

    pagination_class = CursorPage

    @extend_schema(operation_id="members_list", responses=MemberOutput(many=True))
    def get(self, request: Request, workspace_id: uuid.UUID) -> Response:
        """List them, newest first."""
        actor = actor_of(request)
        rows = members_of(actor=actor, workspace=get_workspace(actor, workspace_id))
        return paginated(request, rows, row=_member)

    @extend_schema(operation_id="members_add", request=MemberInput, responses={201: MemberOutput})
    @idempotent
    def post(self, request: Request, workspace_id: uuid.UUID) -> Response:
        """Let somebody in; for its editors."""
        actor = actor_of(request)
        workspace = get_workspace(actor, workspace_id)
        values = read(MemberInput, request)
        user = find_active_user(actor=actor, workspace=workspace, email=values.pop("email"))
        member = workspaces.add_member(actor=actor, workspace=workspace, user=user, **values)
        return Response(_member(member), status=status.HTTP_201_CREATED)


class MemberView(APIView):
    """One member."""

    @extend_schema(operation_id="members_update", request=MemberChangeInput, responses=MemberOutput)
    def patch(self, request: Request, workspace_id: uuid.UUID, member_id: uuid.UUID) -> Response:
        """Change the role or the end; for the workspace's editors."""
        actor = actor_of(request)
        member = workspaces.find_member(actor=actor, membership_id=member_id, workspace_id=workspace_id)
        values: dict[str, Any] = {"role": member.role, "expires_at": member.expires_at}
        values |= read(MemberChangeInput, request, partial=True)
        changed = workspaces.change_member(actor=actor, membership=member, **values)
        return Response(_member(changed))

    @extend_schema(operation_id="members_remove", responses={204: None})
    def delete(self, request: Request, workspace_id: uuid.UUID, member_id: uuid.UUID) -> Response:
        """Take somebody out; for the workspace's editors."""
        actor = actor_of(request)
        member = workspaces.find_member(actor=actor, membership_id=member_id, workspace_id=workspace_id)
        workspaces.remove_member(actor=actor, membership=member)
        return Response(status=status.HTTP_204_NO_CONTENT)
