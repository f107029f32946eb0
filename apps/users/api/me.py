"""The caller: who they are, what they may do, what they were told."""

from __future__ import annotations

import uuid
import zoneinfo

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.models import User
from apps.users.selectors.access import Actor, capabilities_of, require_user
from apps.users.selectors.belongings import notifications_of
from apps.users.services import notifications, people


class CheckOutput(serializers.Serializer):
    """Whether the credentials work."""

    method = serializers.ChoiceField(choices=["token", "session"])
    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    workspace_id = serializers.UUIDField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)
    networks = serializers.ListField(child=serializers.CharField(), allow_null=True)
    capabilities = serializers.ListField(
        child=serializers.CharField(),
        help_text="What the caller may do now: of a token's scopes, those that its person has.",
    )
    expires_at = serializers.DateTimeField(allow_null=True)


class ProfileInput(Input):
    """What a person may change of themselves."""

    full_name = serializers.CharField(max_length=150, allow_blank=True, required=False)
    timezone = serializers.CharField(max_length=64, required=False)

    def validate_timezone(self, value: str) -> str:
        """Refuse names that are no zones."""
        if value not in zoneinfo.available_timezones():
            raise serializers.ValidationError("This is not a time zone. Use a name like Europe/Berlin.")
        return value


class ProfileOutput(serializers.Serializer):
    """The caller's account."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    full_name = serializers.CharField(allow_blank=True)
    kind = serializers.ChoiceField(choices=User.Kind.choices)
    locale = serializers.CharField()
    timezone = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())
    unread_notifications = serializers.IntegerField()


class NotificationOutput(serializers.Serializer):
    """Something that the person should know."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    title = serializers.CharField()
    body = serializers.CharField(allow_blank=True)
    link = serializers.CharField(allow_blank=True)
    read_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class ReadOutput(serializers.Serializer):
    """How many were marked."""

    marked = serializers.IntegerField()


def _profile(actor: Actor, user: User) -> dict[str, object]:
    bound = bool(actor.token and actor.token.workspace_id)
    return {
        "id": user.pk,
        "email": user.email,
        "full_name": user.full_name,
        "kind": user.kind,
        "locale": user.locale,
        "timezone": user.timezone,
        "capabilities": sorted(capabilities_of(actor)),
        "unread_notifications": 0 if bound else notifications_of(actor=actor, unread=True).count(),
    }


class AuthCheckView(APIView):
    """Whether the credentials work."""

    @extend_schema(operation_id="auth_check", responses=CheckOutput)
    def get(self, request: Request) -> Response:
        """Tell who the credentials belong to and, for a token, what it allows and until when."""
        actor = actor_of(request)
        token, user = actor.token, require_user(actor)
        return Response(
            {
                "method": "token" if token else "session",
                "user_id": user.pk,
                "email": user.email,
                "workspace_id": token.workspace_id if token else None,
                "scopes": token.scopes if token else None,
                "networks": token.networks if token else None,
                "capabilities": sorted(capabilities_of(actor)),
                "expires_at": token.expires_at if token else None,
            }
        )


class MeView(APIView):
    """The caller's own account."""

    @extend_schema(operation_id="me_read", responses=ProfileOutput)
    def get(self, request: Request) -> Response:
        """Read one's own account, with everything that one may do."""
        actor = actor_of(request)
        return Response(_profile(actor, require_user(actor)))

    @extend_schema(operation_id="me_update", request=ProfileInput, responses=ProfileOutput)
    def patch(self, request: Request) -> Response:
        """Change one's name or time zone."""
        actor = actor_of(request)
        user = people.update_profile(actor=actor, **read(ProfileInput, request, partial=True))
        return Response(_profile(actor, user))


class NotificationListView(APIView):
    """The caller's notifications."""

    pagination_class = CursorPage
    fields = ("id", "kind", "title", "body", "link", "read_at", "created_at")

    @extend_schema(
        operation_id="notifications_list",
        parameters=[OpenApiParameter("unread", bool, description="true: only those not seen yet.")],
        responses=NotificationOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List notifications, newest first."""
        unread = request.query_params.get("unread") == "true"
        rows = notifications_of(actor=actor_of(request), unread=unread).values(*self.fields)
        return paginated(request, rows)


class NotificationReadAllView(APIView):
    """All notifications at once."""

    @extend_schema(operation_id="notifications_read_all", request=None, responses=ReadOutput)
    def post(self, request: Request) -> Response:
        """Mark all as read."""
        return Response({"marked": notifications.mark_all_read(actor=actor_of(request))})


class NotificationReadView(APIView):
    """One notification."""

    @extend_schema(operation_id="notifications_read", request=None, responses=NotificationOutput)
    def post(self, request: Request, notification_id: uuid.UUID) -> Response:
        """Mark it as read."""
        row = notifications.mark_read(actor=actor_of(request), notification_id=notification_id)
        return Response({name: getattr(row, name) for name in NotificationListView.fields})
