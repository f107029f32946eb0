"""Flagger's webhooks: a question is answered by 200 or 403 with the reason, an event is taken note of."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import PermissionDenied
from aiwriter.core.rest.serializers import Input, read
from apps.deployments.services.delegates import take_hook
from apps.users.api.authentication import actor_of


class HookIn(Input):
    """What Flagger sends. Fields that a newer Flagger adds are passed over."""

    name = serializers.CharField(max_length=253)
    namespace = serializers.CharField(max_length=253)
    phase = serializers.CharField(max_length=40, required=False, allow_blank=True)
    checksum = serializers.CharField(max_length=200, required=False, allow_blank=True)
    metadata = serializers.DictField(required=False, help_text="A `version` in it must be that of the deployment.")

    def to_internal_value(self, data: Any) -> Any:
        """Without the check of names: this is no form of ours."""
        return serializers.Serializer.to_internal_value(self, data)


class HookOut(serializers.Serializer[Any]):
    """Yes, and why."""

    reason = serializers.CharField()


class FlaggerHook(APIView):
    """confirm-rollout, confirm-promotion, rollback, event."""

    @extend_schema(operation_id="environments_flagger", request=HookIn, responses={200: HookOut})
    def post(self, request: Request, environment_id: uuid.UUID, hook: str) -> Response:
        """200: yes (of rollback: go back). 403: no, with the reason. The same question again changes nothing."""
        said = read(HookIn, request)
        answer = take_hook(actor=actor_of(request), environment_id=environment_id, hook=hook, said=said)
        if not answer.yes:
            raise PermissionDenied(answer.reason, remedy=answer.remedy)
        return Response({"reason": answer.reason})
