"""Which roles have to sign in with a second factor."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.users.api.authentication import actor_of
from apps.users.models import FactorPolicy
from apps.users.models.factors import MAX_GRACE_DAYS, ROLES
from apps.users.selectors.factors import policies, who_would_be_locked_out
from apps.users.services import factors


class FactorPolicyInput(Input):
    """A role's duty."""

    strength = serializers.ChoiceField(choices=FactorPolicy.Strength.choices, required=False, default="any")
    enforced_from = serializers.DateTimeField(required=False, allow_null=True, default=None)
    grace_days = serializers.IntegerField(required=False, default=0, min_value=0, max_value=MAX_GRACE_DAYS)


class FactorPolicyOutput(serializers.Serializer):
    """A role's duty."""

    role = serializers.ChoiceField(choices=ROLES)
    strength = serializers.ChoiceField(choices=FactorPolicy.Strength.choices)
    enforced_from = serializers.DateTimeField()
    grace_days = serializers.IntegerField()
    updated_at = serializers.DateTimeField()


class FactorPolicyListOutput(serializers.Serializer):
    """All duties."""

    policies = FactorPolicyOutput(many=True)


class FactorPolicySetOutput(FactorPolicyOutput):
    """A role's duty, and who has not what it asks for."""

    people_without = serializers.ListField(child=serializers.UUIDField())


_FIELDS = tuple(FactorPolicyOutput().fields)


def _row(policy: FactorPolicy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in _FIELDS}


class FactorPolicyListView(APIView):
    """All rules."""

    @extend_schema(operation_id="factor_policies_list", responses=FactorPolicyListOutput)
    def get(self, request: Request) -> Response:
        """List which roles have to sign in with more than a password."""
        return Response({"policies": [_row(policy) for policy in policies(actor=actor_of(request))]})


class FactorPolicyView(APIView):
    """One role's rule."""

    @extend_schema(operation_id="factor_policies_set", request=FactorPolicyInput, responses=FactorPolicySetOutput)
    def put(self, request: Request, role: str) -> Response:
        """Set it. Left out, `enforced_from` is in two weeks. The answer names people who have no such factor yet."""
        actor = actor_of(request)
        policy = factors.set_policy(actor=actor, role=role, **read(FactorPolicyInput, request))
        without = who_would_be_locked_out(actor=actor, role=role, strength=policy.strength)
        return Response({**_row(policy), "people_without": [str(pk) for pk in without]})

    @extend_schema(operation_id="factor_policies_drop", responses={204: None})
    def delete(self, request: Request, role: str) -> Response:
        """Take it away."""
        factors.drop_policy(actor=actor_of(request), role=role)
        return Response(status=status.HTTP_204_NO_CONTENT)
