"""The caller's browser sessions and second factors."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.users.api.authentication import actor_of
from apps.users.selectors.factors import Factor, factors_of
from apps.users.selectors.sessions import OpenSession, own_sessions
from apps.users.services import sessions


class SessionOutput(serializers.Serializer):
    """A browser in which somebody is signed in."""

    id = serializers.IntegerField()
    device = serializers.CharField()
    network = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    current = serializers.BooleanField()


class SessionsOutput(serializers.Serializer):
    """All of one person's."""

    sessions = SessionOutput(many=True)


class EndedOutput(serializers.Serializer):
    """How many have ended."""

    ended = serializers.IntegerField()


class FactorOutput(serializers.Serializer):
    """A second factor, without what would let one use it."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=["totp", "webauthn", "recovery_codes"])
    name = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class FactorsOutput(serializers.Serializer):
    """All of one person's."""

    factors = FactorOutput(many=True)


def session_row(row: OpenSession) -> dict[str, Any]:
    """As the API shows it."""
    return asdict(row)


def factor_row(row: Factor) -> dict[str, Any]:
    """As the API shows it."""
    return asdict(row)


def key_of(request: Request) -> str:
    """Key of the session that asks; "" for a token."""
    return "" if request.auth else str(request._request.session.session_key or "")


class SessionListView(APIView):
    """The caller's sessions."""

    @extend_schema(operation_id="sessions_list", responses=SessionsOutput)
    def get(self, request: Request) -> Response:
        """List where one is signed in, the last used first."""
        rows = own_sessions(actor=actor_of(request), current_key=key_of(request))
        return Response({"sessions": [session_row(row) for row in rows]})

    @extend_schema(operation_id="sessions_end_others", responses=EndedOutput)
    def delete(self, request: Request) -> Response:
        """End all sessions, except the one that asks. A token ends all."""
        ended = sessions.end_own_sessions(actor=actor_of(request), except_key=key_of(request))
        return Response({"ended": ended})


class SessionView(APIView):
    """One session."""

    @extend_schema(operation_id="sessions_end", responses={204: None})
    def delete(self, request: Request, session_id: int) -> Response:
        """End it; its browser is signed out with its next request."""
        sessions.end_own_session(actor=actor_of(request), session_id=session_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class FactorListView(APIView):
    """The caller's second factors."""

    @extend_schema(operation_id="factors_list", responses=FactorsOutput)
    def get(self, request: Request) -> Response:
        """List them. They are set up in a browser, at /accounts/2fa/."""
        return Response({"factors": [factor_row(row) for row in factors_of(actor=actor_of(request))]})
