"""System roles of accounts."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import RoleGrant
from apps.users.selectors.access import require
from apps.users.selectors.people import get_person, get_role_grant, role_grants
from apps.users.services import roles


class GrantInput(Input):
    """A system role for somebody."""

    user_id = serializers.UUIDField()
    role = serializers.ChoiceField(choices=RoleGrant.Role.choices)
    reason = serializers.CharField(max_length=300)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class GrantOutput(serializers.Serializer):
    """A system role that somebody holds now. `only` names what a reduction has left of it."""

    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    role = serializers.CharField(allow_blank=True)
    only = serializers.ListField(child=serializers.CharField(), allow_null=True)
    source = serializers.ChoiceField(choices=RoleGrant.Source.choices)  # type: ignore[assignment]
    granted_by = serializers.CharField(allow_null=True)
    reason = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


_PLAIN = ("id", "user_id", "role", "only", "source", "reason", "expires_at", "created_at")


def _row(grant: RoleGrant) -> dict[str, Any]:
    plain = {name: getattr(grant, name) for name in _PLAIN}
    giver = grant.granted_by.email if grant.granted_by else None
    return {**plain, "email": grant.user.email, "granted_by": giver}


def _wanted(request: Request) -> uuid.UUID | None:
    text = request.query_params.get("user", "")
    try:
        return uuid.UUID(text) if text else None
    except ValueError as error:
        raise InvalidInput(
            "This is no id of an account.", field="user", remedy="GET /api/v1/users lists them."
        ) from error


class GrantListView(APIView):
    """System roles."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="grants_list",
        parameters=[OpenApiParameter("user", uuid.UUID, description="Only those of this account.")],
        responses=GrantOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List who holds which now, newest first; for those who manage or audit accounts."""
        rows = role_grants(actor=actor_of(request), user_id=_wanted(request))
        return paginated(request, rows, row=_row)

    @extend_schema(operation_id="grants_create", request=GrantInput, responses={201: GrantOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Give somebody one."""
        actor, values = actor_of(request), read(GrantInput, request)
        require(actor, "users.manage")
        user = get_person(actor=actor, user_id=values.pop("user_id"))
        grant = roles.grant_role(actor=actor, user=user, **values)
        return Response(_row(grant), status=status.HTTP_201_CREATED)


class GrantView(APIView):
    """One system role of one account."""

    @extend_schema(operation_id="grants_read", responses=GrantOutput)
    def get(self, request: Request, role_grant_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(_row(get_role_grant(actor=actor_of(request), grant_id=role_grant_id)))

    @extend_schema(
        operation_id="grants_revoke",
        parameters=[OpenApiParameter("reason", str, description="Why; it stands in the audit record.")],
        responses={204: None},
    )
    def delete(self, request: Request, role_grant_id: uuid.UUID) -> Response:
        """Take it away; it counts from the next call on."""
        actor = actor_of(request)
        grant = get_role_grant(actor=actor, grant_id=role_grant_id)
        reason = request.query_params.get("reason", "")[:300] or "Through the API"
        roles.revoke_role(actor=actor, grant=grant, reason=reason)
        return Response(status=status.HTTP_204_NO_CONTENT)
