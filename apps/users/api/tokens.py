"""API tokens: the caller's own; those of accounts, for who manages them."""

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
from apps.users.models import ApiToken, User
from apps.users.models.capabilities import CAPABILITIES
from apps.users.models.tokens import DEFAULT_DAYS, MAX_DAYS
from apps.users.selectors.access import Actor, require
from apps.users.selectors.belongings import tokens_of
from apps.users.selectors.people import get_person, get_token_of_account, tokens_of_account
from apps.users.services import tokens

_SCOPE = serializers.ChoiceField(choices=sorted(CAPABILITIES))


class TokenInput(Input):
    """A new token."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=_SCOPE, min_length=1, max_length=len(CAPABILITIES))
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    days = serializers.IntegerField(required=False, default=DEFAULT_DAYS, min_value=1, max_value=MAX_DAYS)
    networks = serializers.ListField(
        child=serializers.CharField(max_length=43),
        max_length=20,
        required=False,
        default=list,
        help_text="From which networks it works, like 10.8.0.0/24; empty: from anywhere.",
    )


class TokenOutput(serializers.Serializer):
    """A token without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    key_id = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    workspace_id = serializers.UUIDField(allow_null=True)
    networks = serializers.ListField(child=serializers.CharField(), allow_null=True)
    enabled = serializers.BooleanField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_address = serializers.CharField(allow_blank=True, help_text="The network, not the address.")
    created_at = serializers.DateTimeField()


class NewTokenOutput(TokenOutput):
    """A token with its secret, this once."""

    token = serializers.CharField()


_FIELDS = tuple(TokenOutput().fields)


class TokenListView(APIView):
    """The caller's tokens."""

    pagination_class = CursorPage

    @extend_schema(operation_id="tokens_list", responses=TokenOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first, revoked and expired ones included."""
        return paginated(request, tokens_of(actor=actor_of(request)).values(*_FIELDS))

    @extend_schema(operation_id="tokens_create", request=TokenInput, responses={201: NewTokenOutput})
    def post(self, request: Request) -> Response:
        """Make one. Its text is in this answer and nowhere else, so no Idempotency-Key is honoured here."""
        return _made(actor_of(request), read(TokenInput, request))


class TokenView(APIView):
    """One token."""

    @extend_schema(operation_id="tokens_revoke", responses={204: None})
    def delete(self, request: Request, token_id: uuid.UUID) -> Response:
        """Revoke it; it is refused from the next call on."""
        tokens.revoke_own_token(actor=actor_of(request), token_id=token_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AccountTokenListView(APIView):
    """The tokens of one account."""

    pagination_class = CursorPage

    @extend_schema(operation_id="users_tokens_list", responses=TokenOutput(many=True))
    def get(self, request: Request, user_id: uuid.UUID) -> Response:
        """List them, revoked and expired ones included; for those who manage or audit accounts."""
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        return paginated(request, tokens_of_account(actor=actor, user=user).values(*_FIELDS))

    @extend_schema(operation_id="users_tokens_create", request=TokenInput, responses={201: NewTokenOutput})
    def post(self, request: Request, user_id: uuid.UUID) -> Response:
        """Make one for a service account; people make their own. Its text is in this answer and nowhere else."""
        actor = actor_of(request)
        require(actor, "users.manage")
        user = get_person(actor=actor, user_id=user_id)
        return _made(actor, read(TokenInput, request), user=user)


class AccountTokenView(APIView):
    """One token of one account."""

    @extend_schema(operation_id="users_tokens_revoke", responses={204: None})
    def delete(self, request: Request, user_id: uuid.UUID, token_id: uuid.UUID) -> Response:
        """Revoke it; it is refused from the next call on."""
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        tokens.revoke_token(actor=actor, token=get_token_of_account(actor=actor, user=user, token_id=token_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _made(actor: Actor, values: dict[str, Any], *, user: User | None = None) -> Response:
    workspace = values.pop("workspace_id")
    bound = str(workspace) if workspace else None
    token, secret = tokens.create_token(actor=actor, workspace=bound, user=user, **values)
    body = {**_row(token), "token": secret.reveal()}
    return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


def _row(token: ApiToken) -> dict[str, object]:
    return {name: getattr(token, name) for name in _FIELDS}
