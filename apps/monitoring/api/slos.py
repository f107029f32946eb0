"""Objectives, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import Slo
from apps.monitoring.selectors import slos as selectors
from apps.monitoring.services import slos as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class BurnOut(serializers.Serializer[Any]):
    """How fast the budget burns within a window: 1 uses it up exactly in time."""

    minutes = serializers.IntegerField()
    short_minutes = serializers.IntegerField()
    long = serializers.FloatField()
    short = serializers.FloatField()
    limit = serializers.FloatField()
    too_fast = serializers.BooleanField()


class SloOut(serializers.ModelSerializer[Slo]):
    """An objective with how it stands."""

    reached = serializers.FloatField(allow_null=True, help_text="Per cent that went well.")
    budget_left = serializers.FloatField(help_text="Per cent of the error budget.")
    every = serializers.FloatField()
    bad = serializers.FloatField()
    burns = BurnOut(many=True)

    class Meta:
        model = Slo
        fields = (
            "id",
            "slug",
            *services.FIELDS,
            "reached",
            "budget_left",
            "every",
            "bad",
            "burns",
        )


class SloIn(Input):
    """A new objective."""

    slug = serializers.SlugField(max_length=60)
    title = serializers.CharField(max_length=120)
    source = serializers.ChoiceField(Slo.Source.choices)  # type: ignore[assignment]
    label = serializers.CharField(max_length=160, required=False, allow_blank=True)  # type: ignore[assignment]
    objective = serializers.FloatField(required=False, min_value=50, max_value=99.999)
    window_days = serializers.IntegerField(required=False, min_value=1, max_value=90)
    slow_seconds = serializers.FloatField(required=False, min_value=0.01, max_value=300)
    least_bad = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    enabled = serializers.BooleanField(required=False)


class SloChangeIn(SloIn):
    """What may be changed."""

    slug = None  # type: ignore[assignment]


def _out(slo: Slo) -> dict[str, Any]:
    stands = selectors.standing(slo, timezone.now())
    fields = {name: getattr(slo, name) for name in ("id", "slug", *services.FIELDS)}
    more = {
        "reached": stands.share,
        "budget_left": stands.left,
        "every": stands.counted.every,
        "bad": stands.counted.bad,
        "burns": BurnOut(stands.burns, many=True).data,
    }
    return {**fields, "id": str(slo.pk), **more}


class SloList(APIView):
    """Objectives."""

    @extend_schema(operation_id="slos_list", responses=SloOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them, with what is left of their error budgets."""
        return Response({"data": [_out(slo) for slo in selectors.slos_for(actor_of(request))]})

    @extend_schema(operation_id="slos_create", request=SloIn, responses={201: SloOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Set one."""
        slo = services.create_slo(actor=actor_of(request), **read(SloIn, request))
        return Response(_out(slo), status=status.HTTP_201_CREATED)


class SloDetail(APIView):
    """One objective."""

    @extend_schema(operation_id="slos_read", responses=SloOut)
    def get(self, request: Request, slo_id: uuid.UUID) -> Response:
        """How it stands."""
        return Response(_out(selectors.slo_for(actor_of(request), slo_id)))

    @extend_schema(operation_id="slos_update", request=SloChangeIn, responses=SloOut)
    def patch(self, request: Request, slo_id: uuid.UUID) -> Response:
        """Change it."""
        values = read(SloChangeIn, request, partial=True)
        return Response(_out(services.update_slo(actor=actor_of(request), slo_id=slo_id, **values)))

    @extend_schema(operation_id="slos_delete", responses={204: None})
    def delete(self, request: Request, slo_id: uuid.UUID) -> Response:
        """Remove it."""
        services.delete_slo(actor=actor_of(request), slo_id=slo_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
