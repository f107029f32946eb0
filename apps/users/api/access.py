"""What somebody can do, and why."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from apps.users.api.authentication import actor_of
from apps.users.models.capabilities import CAPABILITIES, GRAVE, SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.selectors.access import require_user
from apps.users.selectors.effective import Held, Way, effective_access
from apps.users.selectors.people import get_person


class WayOutput(serializers.Serializer):
    """One grant that leads to a capability."""

    kind = serializers.ChoiceField(choices=["role", "membership"])
    grant_id = serializers.UUIDField()
    role = serializers.CharField(allow_blank=True)
    source = serializers.CharField()  # type: ignore[assignment]
    given_by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    group = serializers.CharField(allow_blank=True)
    elevation_id = serializers.UUIDField(allow_null=True)
    since = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    reduced = serializers.BooleanField()
    withheld = serializers.BooleanField()


class CarrierOutput(serializers.Serializer):
    """An API key that carries a capability."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    key_id = serializers.CharField()


class HeldOutput(serializers.Serializer):
    """A capability in one place; without a workspace, in the whole portal."""

    capability = serializers.CharField()
    meaning = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    workspace = serializers.CharField(allow_blank=True)
    allowed = serializers.BooleanField()
    ways = WayOutput(many=True)
    tokens = CarrierOutput(many=True)


class MayAskOutput(serializers.Serializer):
    """What the person may ask for."""

    policy_id = serializers.UUIDField()
    policy = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())


class EffectiveOutput(serializers.Serializer):
    """What somebody can do now, and why."""

    user_id = serializers.UUIDField()
    email = serializers.EmailField()
    status = serializers.CharField()
    capabilities = HeldOutput(many=True)
    may_ask = MayAskOutput(many=True)


class CapabilityOutput(serializers.Serializer):
    """A capability and the roles that contain it."""

    name = serializers.CharField()
    meaning = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    grave = serializers.BooleanField()


class CapabilityListOutput(serializers.Serializer):
    """All of them."""

    capabilities = CapabilityOutput(many=True)


class EffectiveView(APIView):
    """What somebody can do, and why."""

    @extend_schema(
        operation_id="access_effective",
        parameters=[
            OpenApiParameter("user", uuid.UUID, description="Whose; left out: the caller's own."),
            OpenApiParameter("capability", str, description="Only this one."),
        ],
        responses=EffectiveOutput,
    )
    def get(self, request: Request) -> Response:
        """List every capability with the grants that lead to it; of others for those who manage or audit accounts."""
        actor, wanted = actor_of(request), request.query_params.get("user", "")
        try:
            user = get_person(actor=actor, user_id=uuid.UUID(wanted)) if wanted else require_user(actor)
        except ValueError:
            raise InvalidInput("This is not the id of an account.", field="user") from None
        found = effective_access(actor=actor, user=user, capability=request.query_params.get("capability", ""))
        return Response(
            {
                "user_id": user.pk,
                "email": user.email,
                "status": user.status,
                "capabilities": [_held(each) for each in found.held],
                "may_ask": [
                    {"policy_id": policy.pk, "policy": policy.name, "capabilities": names}
                    for policy, names in found.may_ask
                ],
            }
        )


class CapabilityListView(APIView):
    """The capabilities that there are."""

    @extend_schema(operation_id="access_capabilities", responses=CapabilityListOutput)
    def get(self, request: Request) -> Response:
        """List them with the roles that contain them."""
        require_user(actor_of(request))
        roles = {**WORKSPACE_ROLES, **SYSTEM_ROLES}
        rows = [
            {
                "name": name,
                "meaning": meaning,
                "roles": [role for role, inside in roles.items() if name in inside],
                "grave": name in GRAVE,
            }
            for name, meaning in CAPABILITIES.items()
        ]
        return Response({"capabilities": rows})


_WAY = tuple(WayOutput().fields)


def _way(way: Way) -> dict[str, Any]:
    return {name: getattr(way, name) for name in _WAY}


def _held(held: Held) -> dict[str, Any]:
    return {
        "capability": held.capability,
        "meaning": held.meaning,
        "workspace_id": held.workspace.pk if held.workspace else None,
        "workspace": held.workspace.name if held.workspace else "",
        "allowed": held.allowed,
        "ways": [_way(way) for way in held.ways],
        "tokens": [{"id": each.pk, "name": each.name, "key_id": each.key_id} for each in held.tokens],
    }
