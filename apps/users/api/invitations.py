"""Invitations to make an account."""

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
from apps.users.api.workspaces import workspace_named
from apps.users.models import Invitation, Membership, RoleGrant
from apps.users.models.invitations import DAYS, MAX_DAYS
from apps.users.selectors.people import get_invitation, invitations
from apps.users.services import invitations as services


class InvitationInput(Input):
    """Somebody to invite."""

    email = serializers.EmailField()
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    workspace_role = serializers.ChoiceField(choices=["", *Membership.Role.values], required=False, default="")
    system_role = serializers.ChoiceField(choices=["", *RoleGrant.Role.values], required=False, default="")
    days = serializers.IntegerField(required=False, default=DAYS, min_value=1, max_value=MAX_DAYS)


class InvitationOutput(serializers.Serializer):
    """An invitation."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    state = serializers.ChoiceField(choices=["open", "accepted", "revoked", "expired"])
    workspace_id = serializers.UUIDField(allow_null=True)
    workspace_role = serializers.CharField(allow_blank=True)
    system_role = serializers.CharField(allow_blank=True)
    expires_at = serializers.DateTimeField()
    mailed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class NewInvitationOutput(InvitationOutput):
    """An invitation with its link, to hand on by another way than mail."""

    link = serializers.CharField()


_FIELDS = tuple(InvitationOutput().fields)


def _row(invitation: Invitation) -> dict[str, Any]:
    return {name: getattr(invitation, name) for name in _FIELDS}


class InvitationListView(APIView):
    """All invitations."""

    pagination_class = CursorPage

    @extend_schema(operation_id="invitations_list", responses=InvitationOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        return paginated(request, invitations(actor=actor_of(request)), row=_row)

    @extend_schema(operation_id="invitations_send", request=InvitationInput, responses={201: NewInvitationOutput})
    def post(self, request: Request) -> Response:
        """Invite somebody. The link is mailed, and is in this answer."""
        actor = actor_of(request)
        values = read(InvitationInput, request)
        workspace = workspace_named(values.pop("workspace_id"))
        made = services.invite(actor=actor, workspace=workspace, **values)
        body = {**_row(made), "link": services.link_of(actor=actor, invitation=made)}
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class InvitationView(APIView):
    """One invitation."""

    @extend_schema(operation_id="invitations_read", responses=InvitationOutput)
    def get(self, request: Request, invitation_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_row(get_invitation(actor=actor_of(request), invitation_id=invitation_id)))

    @extend_schema(operation_id="invitations_revoke", responses={204: None})
    def delete(self, request: Request, invitation_id: uuid.UUID) -> Response:
        """Withdraw it; its link stops working."""
        actor = actor_of(request)
        services.revoke_invitation(actor=actor, invitation=get_invitation(actor=actor, invitation_id=invitation_id))
        return Response(status=status.HTTP_204_NO_CONTENT)
