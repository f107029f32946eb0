"""Environments, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.deployments.models import Environment, FreezeWindow, Target
from apps.deployments.selectors import environments as selectors
from apps.deployments.selectors.releases import kept_releases
from apps.deployments.selectors.strategies import FORWARD_CHOICES, offers
from apps.deployments.services import environments as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class TargetOut(serializers.ModelSerializer[Target]):
    """The agent of an environment, and what it saw last."""

    class Meta:
        model = Target
        fields = ("version", "runtime", "traffic", "by_people", "observed", "problem", "seen_at")


class FreezeOut(serializers.ModelSerializer[FreezeWindow]):
    """A time in which nothing is rolled out."""

    class Meta:
        model = FreezeWindow
        fields = ("id", "starts_at", "ends_at", "weekly", "reason", "author")


class OfferOut(serializers.Serializer[Any]):
    """A way to a new version."""

    strategy = serializers.ChoiceField(FORWARD_CHOICES)
    missing = serializers.CharField(help_text="Why it cannot be used there; empty: it can.")


class EnvironmentOut(serializers.ModelSerializer[Environment]):
    """An environment."""

    current = serializers.CharField(source="current.version", default="", help_text="The version that serves.")
    frozen = serializers.SerializerMethodField(help_text="Why nothing may be rolled out now; empty: it may.")
    freezes = FreezeOut(many=True)
    target = TargetOut(allow_null=True, default=None)

    class Meta:
        model = Environment
        fields = (
            "id",
            "slug",
            *services.FIELDS,
            "public_key",
            "halted",
            "frozen",
            "freezes",
            "current",
            "current_since",
            "target",
        )

    def get_frozen(self, environment: Environment) -> str:
        """The reason of the freeze that holds now."""
        freeze = selectors.frozen_by(environment)
        return freeze.reason if freeze else ""


class EnvironmentWholeOut(EnvironmentOut):
    """An environment, which versions must stay on its hosts, and which ways lead to a new one."""

    kept_releases = serializers.ListField(child=serializers.CharField())
    strategies = OfferOut(many=True)

    class Meta(EnvironmentOut.Meta):
        fields = (*EnvironmentOut.Meta.fields, "kept_releases", "strategies")  # type: ignore[assignment]


class EnvironmentChangeIn(Input):
    """What may be changed."""

    title = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(Environment.Kind.choices)
    data_policy = serializers.ChoiceField(Environment.DataPolicy.choices, required=False)
    own = serializers.BooleanField(required=False, help_text="This portal runs in it.")
    delegate = serializers.ChoiceField(
        Environment.Delegate.choices,
        required=False,
        allow_blank=True,
        help_text="Who exchanges versions; empty: the agent.",
    )
    approvals_required = serializers.IntegerField(min_value=0, max_value=3, required=False)
    default_strategy = serializers.ChoiceField(FORWARD_CHOICES, required=False)
    soak_hours = serializers.IntegerField(min_value=0, max_value=720, required=False)
    follows = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="The host before this one, of the same installation; a release comes here when it serves there.",
    )
    release_keys = serializers.CharField(
        max_length=4000, required=False, allow_blank=True, help_text="Public keys that sign releases, one a line."
    )


class EnvironmentIn(EnvironmentChangeIn):
    """A new one."""

    slug = serializers.CharField(max_length=64)


class FreezeIn(Input):
    """A new freeze."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    weekly = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=200)


class WhyIn(Input):
    """Why."""

    reason = serializers.CharField(max_length=300)


def _whole(request: Request, environment_id: uuid.UUID) -> dict[str, Any]:
    found = selectors.environment_for(actor_of(request), environment_id)
    return {
        **EnvironmentOut(found).data,
        "kept_releases": kept_releases(found),
        "strategies": OfferOut(offers(found), many=True).data,
    }


class EnvironmentList(APIView):
    """Environments."""

    @extend_schema(operation_id="environments_list", responses=EnvironmentOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"data": EnvironmentOut(selectors.environments_for(actor_of(request)), many=True).data})

    @extend_schema(operation_id="environments_create", request=EnvironmentIn, responses={201: EnvironmentWholeOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Set one up; its plans are signed with a key of its own, whose public half the agent has to trust."""
        made = services.create_environment(actor=actor_of(request), **read(EnvironmentIn, request))
        return Response(_whole(request, made.pk), status=status.HTTP_201_CREATED)


class EnvironmentDetail(APIView):
    """One environment."""

    @extend_schema(operation_id="environments_read", responses=EnvironmentWholeOut)
    def get(self, request: Request, environment_id: uuid.UUID) -> Response:
        """What serves there, what protects it, what its agent saw, which versions must stay on its hosts."""
        return Response(_whole(request, environment_id))

    @extend_schema(operation_id="environments_update", request=EnvironmentChangeIn, responses=EnvironmentWholeOut)
    def patch(self, request: Request, environment_id: uuid.UUID) -> Response:
        """Change it."""
        values = read(EnvironmentChangeIn, request, partial=True)
        services.update_environment(actor=actor_of(request), environment_id=environment_id, **values)
        return Response(_whole(request, environment_id))

    @extend_schema(operation_id="environments_delete", responses={204: None})
    def delete(self, request: Request, environment_id: uuid.UUID) -> Response:
        """Remove one that nothing was rolled out to."""
        services.delete_environment(actor=actor_of(request), environment_id=environment_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EnvironmentKey(APIView):
    """The key that signs its plans."""

    @extend_schema(operation_id="environments_replace_key", request=None, responses=EnvironmentWholeOut)
    def post(self, request: Request, environment_id: uuid.UUID) -> Response:
        """Replace it; the agent has to trust the new public key."""
        services.replace_key(actor=actor_of(request), environment_id=environment_id)
        return Response(_whole(request, environment_id))


class EnvironmentOpen(APIView):
    """After a roll-back that failed."""

    @extend_schema(operation_id="environments_open_again", request=WhyIn, responses=EnvironmentWholeOut)
    def post(self, request: Request, environment_id: uuid.UUID) -> Response:
        """Let deployments begin again."""
        values = read(WhyIn, request)
        services.open_again(actor=actor_of(request), environment_id=environment_id, **values)
        return Response(_whole(request, environment_id))


class FreezeList(APIView):
    """Times in which nothing is rolled out."""

    @extend_schema(operation_id="environments_freeze", request=FreezeIn, responses={201: FreezeOut})
    @idempotent
    def post(self, request: Request, environment_id: uuid.UUID) -> Response:
        """Add one."""
        values = read(FreezeIn, request)
        freeze = services.create_freeze(actor=actor_of(request), environment_id=environment_id, **values)
        return Response(FreezeOut(freeze).data, status=status.HTTP_201_CREATED)


class FreezeDetail(APIView):
    """One of them."""

    @extend_schema(operation_id="environments_unfreeze", responses={204: None})
    def delete(self, request: Request, environment_id: uuid.UUID, freeze_id: int) -> Response:
        """Take it away."""
        services.delete_freeze(actor=actor_of(request), environment_id=environment_id, freeze_id=freeze_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
