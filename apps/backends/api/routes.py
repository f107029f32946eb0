"""Routes, for operators, and the models behind them, for writers."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.backends.models import Route
from apps.backends.selectors.profiles import price_overrides
from apps.backends.selectors.routes import OfferedModel, models_for, visible_routes
from apps.backends.services import routing
from apps.backends.services.counting import pricing_of
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import current_workspace


class StepInput(Input):
    """One backend of a chain."""

    profile = serializers.UUIDField()
    model = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    options = serializers.DictField(required=False, default=dict)


class RouteInput(Input):
    """A chain."""

    workspace = serializers.UUIDField(required=False, allow_null=True, default=None)
    steps = StepInput(many=True)


class StepOutput(serializers.Serializer):
    """One backend of a chain."""

    position = serializers.IntegerField()
    profile = serializers.UUIDField()
    profile_name = serializers.CharField()
    enabled = serializers.BooleanField()
    model = serializers.CharField(help_text="Empty: the profile's first suitable model.")
    options = serializers.DictField()


class RouteOutput(serializers.Serializer):
    """A chain."""

    id = serializers.UUIDField()
    purpose = serializers.CharField()
    workspace = serializers.UUIDField(allow_null=True)
    steps = StepOutput(many=True)


def _shown(route: Route) -> dict[str, Any]:
    return {
        "id": route.pk,
        "purpose": route.purpose,
        "workspace": route.workspace_id,
        "steps": [
            {
                "position": step.position,
                "profile": step.profile_id,
                "profile_name": step.profile.name,
                "enabled": step.profile.enabled,
                "model": step.model,
                "options": step.options,
            }
            for step in sorted(route.steps.all(), key=lambda step: step.position)
        ],
    }


class RouteListView(APIView):
    """Chains."""

    @extend_schema(operation_id="routes_list", responses=RouteOutput(many=True))
    def get(self, request: Request) -> Response:
        """All of them: a default one for each purpose, and those of workspaces."""
        return Response({"data": [_shown(route) for route in visible_routes(actor_of(request))]})


class RouteByPurposeView(APIView):
    """The chain of a purpose."""

    @extend_schema(operation_id="routes_set", request=RouteInput, responses=RouteOutput)
    def put(self, request: Request, purpose: str) -> Response:
        """Say which backends answer it, in which order."""
        values = read(RouteInput, request)
        actor = actor_of(request)
        route = routing.set_route(
            actor=actor, purpose=purpose, steps=values["steps"], workspace_id=values.get("workspace")
        )
        return Response(_shown(visible_routes(actor).get(pk=route.pk)))


class RouteView(APIView):
    """One chain."""

    @extend_schema(operation_id="routes_delete", responses={204: None})
    def delete(self, request: Request, route_id: uuid.UUID) -> Response:
        """Remove a workspace's own chain."""
        routing.delete_route(actor=actor_of(request), route_id=route_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PriceOutput(serializers.Serializer):
    """Per million tokens."""

    input = serializers.DecimalField(14, 6)
    output = serializers.DecimalField(14, 6)
    cached_input = serializers.DecimalField(14, 6, allow_null=True)
    currency = serializers.CharField()
    as_of = serializers.DateField(allow_null=True)


class ModelOutput(serializers.Serializer):
    """A model that the workspace's texts may be written by."""

    purpose = serializers.CharField()
    position = serializers.IntegerField(help_text="1 is asked first; the others when it fails.")
    model = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    profile = serializers.CharField()
    healthy = serializers.BooleanField()
    refusal = serializers.CharField(help_text="Why it is not asked in this workspace; empty when it is.")
    context_window = serializers.IntegerField(allow_null=True)
    max_output = serializers.IntegerField(allow_null=True)
    price = PriceOutput(allow_null=True, help_text="null: not known.")


class ModelListView(APIView):
    """Models, as writers see them."""

    @extend_schema(
        operation_id="models_list",
        parameters=[OpenApiParameter("workspace", str, description="Id or slug; the first one when left out.")],
        responses=ModelOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """Which models answer which purpose, how they are, what they cost."""
        actor = actor_of(request)
        workspace = current_workspace(actor, request.query_params.get("workspace") or None)
        offered = models_for(actor, workspace.pk)
        overrides = price_overrides([offer.step.profile.id for offer in offered])
        return Response({"data": [_offer(offer, overrides) for offer in offered]})


def _offer(offer: OfferedModel, overrides: dict[Any, Any]) -> dict[str, Any]:
    step, info = offer.step, offer.step.info
    override = overrides.get((step.profile.id, step.model)) or overrides.get((step.profile.id, "*"))
    price = pricing_of(override, info.pricing if info else None)
    return {
        "purpose": offer.purpose,
        "position": offer.position,
        "model": step.model,
        "label": step.label,
        "profile": step.profile.name,
        "healthy": offer.healthy,
        "refusal": offer.refusal.message if offer.refusal else "",
        "context_window": info.context_window if info else None,
        "max_output": info.max_output if info else None,
        "price": None
        if price is None
        else {
            "input": price.input,
            "output": price.output,
            "cached_input": price.cached_input,
            "currency": price.currency,
            "as_of": price.as_of,
        },
    }
