"""Accounts, for those who manage them."""

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
from apps.users.api.sessions import EndedOutput, FactorsOutput, SessionsOutput, factor_row, session_row
from apps.users.models import User
from apps.users.selectors.factors import factors_of_person
from apps.users.selectors.people import get_person, people
from apps.users.selectors.sessions import sessions_of
from apps.users.services import factors, sessions
from apps.users.services import people as accounts


class PersonOutput(serializers.Serializer):
    """An account."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    full_name = serializers.CharField(allow_blank=True)
    kind = serializers.ChoiceField(choices=User.Kind.choices)
    status = serializers.ChoiceField(choices=User.Status.choices)
    is_emergency = serializers.BooleanField()
    last_seen_day = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()


class PersonInput(Input):
    """An account. Nobody can sign in with it before somebody has set a password: to let people in, invite them."""

    email = serializers.EmailField(max_length=254)
    full_name = serializers.CharField(max_length=150, required=False, allow_blank=True, default="")
    kind = serializers.ChoiceField(
        choices=User.Kind.choices,
        required=False,
        default=User.Kind.HUMAN,
        help_text="A service account has no password and no session; it acts by API keys alone.",
    )


class PersonChangeInput(Input):
    """Name and address."""

    email = serializers.EmailField(max_length=254, required=False)
    full_name = serializers.CharField(max_length=150, required=False, allow_blank=True)


class ReasonInput(Input):
    """Why; it stands in the audit record."""

    reason = serializers.CharField(max_length=300)


_FIELDS = tuple(PersonOutput().fields)


def person_row(user: User) -> dict[str, Any]:
    """As the API shows it."""
    return {name: getattr(user, name) for name in _FIELDS}


class PersonListView(APIView):
    """All accounts."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="users_list",
        parameters=[
            OpenApiParameter("q", str, description="Part of a name or address."),
            OpenApiParameter("status", str, enum=User.Status.values),
        ],
        responses=PersonOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List accounts, newest first; for those who manage or audit them."""
        wanted = request.query_params.get("status", "")
        if wanted and wanted not in User.Status.values:
            raise InvalidInput(f"'{wanted}' is not a status.", field="status", remedy="Use active or suspended.")
        found = people(actor=actor_of(request), words=request.query_params.get("q", "")[:100], status=wanted)
        return paginated(request, found.values(*_FIELDS))

    @extend_schema(operation_id="users_create", request=PersonInput, responses={201: PersonOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make one; for those who manage accounts."""
        user = accounts.create_user(actor=actor_of(request), **read(PersonInput, request))
        return Response(person_row(user), status=status.HTTP_201_CREATED)


class PersonView(APIView):
    """One account."""

    @extend_schema(operation_id="users_read", responses=PersonOutput)
    def get(self, request: Request, user_id: uuid.UUID) -> Response:
        """Read it."""
        return Response(person_row(get_person(actor=actor_of(request), user_id=user_id)))

    @extend_schema(operation_id="users_update", request=PersonChangeInput, responses=PersonOutput)
    def patch(self, request: Request, user_id: uuid.UUID) -> Response:
        """Change the name or the address."""
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        return Response(person_row(accounts.update_user(actor=actor, user=user, **read(PersonChangeInput, request))))


class SuspendView(APIView):
    """An account's suspension."""

    @extend_schema(operation_id="users_suspend", request=ReasonInput, responses=PersonOutput)
    def post(self, request: Request, user_id: uuid.UUID) -> Response:
        """Stop the account: its sessions end and its tokens are revoked at once."""
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        return Response(person_row(accounts.suspend_user(actor=actor, user=user, **read(ReasonInput, request))))

    @extend_schema(operation_id="users_reactivate", responses=PersonOutput)
    def delete(self, request: Request, user_id: uuid.UUID) -> Response:
        """Let the account act again. Its old sessions and tokens stay ended."""
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        return Response(person_row(accounts.reactivate_user(actor=actor, user=user, reason="Through the API")))


class PersonSessionsView(APIView):
    """Somebody's sessions."""

    @extend_schema(operation_id="users_sessions_list", responses=SessionsOutput)
    def get(self, request: Request, user_id: uuid.UUID) -> Response:
        """List where they are signed in."""
        actor = actor_of(request)
        rows = sessions_of(actor=actor, user=get_person(actor=actor, user_id=user_id))
        return Response({"sessions": [session_row(row) for row in rows]})

    @extend_schema(operation_id="users_sessions_end", responses=EndedOutput)
    def delete(self, request: Request, user_id: uuid.UUID) -> Response:
        """Sign them out everywhere."""
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        return Response({"ended": sessions.end_sessions(actor=actor, user=user, reason="Through the API")})


class PersonFactorsView(APIView):
    """Somebody's second factors."""

    @extend_schema(operation_id="users_factors_list", responses=FactorsOutput)
    def get(self, request: Request, user_id: uuid.UUID) -> Response:
        """List which they have set up."""
        actor = actor_of(request)
        rows = factors_of_person(actor=actor, user=get_person(actor=actor, user_id=user_id))
        return Response({"factors": [factor_row(row) for row in rows]})

    @extend_schema(operation_id="users_factors_reset", request=ReasonInput, responses={204: None})
    def post(self, request: Request, user_id: uuid.UUID) -> Response:
        """Remove all of them, for somebody who has lost theirs, and sign them out everywhere."""
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        factors.reset_factors(actor=actor, user=user, **read(ReasonInput, request))
        return Response(status=status.HTTP_204_NO_CONTENT)
