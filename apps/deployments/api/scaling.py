"""Scale policies, for programs."""

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
from apps.deployments.models import ScaleEvent, ScalePolicy
from apps.deployments.selectors import scaling as selectors
from apps.deployments.selectors.environments import environment_for
from apps.deployments.services import scaling as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class ScalePolicyOut(serializers.ModelSerializer[ScalePolicy]):
    """How many of a part run, and what decides."""

    bounds = serializers.SerializerMethodField(
        help_text="Fewest and most that the agent's own file allows; null: none are."
    )

    class Meta:
        model = ScalePolicy
        fields = ("id", "environment", "part", *services.FIELDS, "bounds", "changed_at")

    def get_bounds(self, policy: ScalePolicy) -> list[int] | None:
        """Of its part."""
        found = selectors.bounds_of(policy.environment).get(policy.part)
        return list(found) if found else None


class ScaleEventOut(serializers.ModelSerializer[ScaleEvent]):
    """One more or one fewer; not acted: what would have been done."""

    class Meta:
        model = ScaleEvent
        fields = ("id", "part", "old", "new", "why", "acted", "at")


class ScalePolicyChangeIn(Input):
    """What may be changed."""

    metric = serializers.ChoiceField(ScalePolicy.Metric.choices)
    target = serializers.FloatField(min_value=0.1, max_value=100_000, required=False)
    minimum = serializers.IntegerField(min_value=0, max_value=32, required=False)
    maximum = serializers.IntegerField(min_value=1, max_value=32, required=False)
    cooldown_seconds = serializers.IntegerField(min_value=0, max_value=86_400, required=False)
    zero_after_seconds = serializers.IntegerField(min_value=0, max_value=86_400, required=False)
    windows = serializers.CharField(max_length=2000, required=False, allow_blank=True, trim_whitespace=False)
    acts = serializers.BooleanField(required=False)


class ScalePolicyIn(ScalePolicyChangeIn):
    """A new one."""

    part = serializers.ChoiceField(ScalePolicy.Part.choices)


class ScalePolicyList(APIView):
    """The policies of an environment."""

    @extend_schema(operation_id="scale_policies_list", responses=ScalePolicyOut(many=True))
    def get(self, request: Request, environment_id: uuid.UUID) -> Response:
        """All of them: one for each part at most."""
        actor = actor_of(request)
        environment_for(actor, environment_id)
        return Response({"data": ScalePolicyOut(selectors.policies_for(actor, environment_id), many=True).data})

    @extend_schema(operation_id="scale_policies_create", request=ScalePolicyIn, responses={201: ScalePolicyOut})
    @idempotent
    def post(self, request: Request, environment_id: uuid.UUID) -> Response:
        """Have the agent look after how many of a part run, within what its own file allows."""
        values: dict[str, Any] = read(ScalePolicyIn, request)
        actor = actor_of(request)
        made = services.create_policy(actor=actor, environment_id=environment_id, **values)
        return Response(ScalePolicyOut(selectors.policy_for(actor, made.pk)).data, status=status.HTTP_201_CREATED)


class ScalePolicyDetail(APIView):
    """One policy."""

    @extend_schema(operation_id="scale_policies_read", responses=ScalePolicyOut)
    def get(self, request: Request, scale_policy_id: uuid.UUID) -> Response:
        """One policy."""
        return Response(ScalePolicyOut(selectors.policy_for(actor_of(request), scale_policy_id)).data)

    @extend_schema(operation_id="scale_policies_update", request=ScalePolicyChangeIn, responses=ScalePolicyOut)
    def patch(self, request: Request, scale_policy_id: uuid.UUID) -> Response:
        """Change it; the agent has it within seconds."""
        actor = actor_of(request)
        services.update_policy(
            actor=actor, policy_id=scale_policy_id, **read(ScalePolicyChangeIn, request, partial=True)
        )
        return Response(ScalePolicyOut(selectors.policy_for(actor, scale_policy_id)).data)

    @extend_schema(operation_id="scale_policies_delete", responses={204: None})
    def delete(self, request: Request, scale_policy_id: uuid.UUID) -> Response:
        """Remove it: as many run as run now."""
        services.delete_policy(actor=actor_of(request), policy_id=scale_policy_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScaleEventList(APIView):
    """What came of the policies of an environment."""

    pagination_class = CursorPage

    @extend_schema(operation_id="scale_events_list", responses=ScaleEventOut(many=True))
    def get(self, request: Request, environment_id: uuid.UUID) -> Response:
        """A page of it, newest first; two weeks are kept."""
        actor = actor_of(request)
        environment_for(actor, environment_id)
        rows = selectors.events_for(actor, environment_id)
        return paginated(request, rows, row=lambda each: ScaleEventOut(each).data, ordering=("-at", "-id"))
