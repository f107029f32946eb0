"""Maintenance, and what is held back after a restore."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.backups.models import Pause
from apps.backups.selectors.pauses import pause_for, waiting_for
from apps.backups.services import pauses
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import Actor


class MaintenanceOutput(serializers.ModelSerializer):
    """Whether the portal is closed."""

    class Meta:
        model = Pause
        fields = ("maintenance", "message", "since", "restore_id")


class MaintenanceInput(Input):
    """Close or open it."""

    maintenance = serializers.BooleanField()
    message = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class WaitingOutput(serializers.Serializer):
    """Things of one kind that wait to go outside."""

    kind = serializers.CharField()
    title = serializers.CharField()
    count = serializers.IntegerField()


class OutsideOutput(serializers.Serializer):
    """Whether what waits is held back, and what it is."""

    held = serializers.BooleanField()
    since = serializers.DateTimeField(allow_null=True)
    waiting = WaitingOutput(many=True)
    discarded = serializers.IntegerField(required=False)


class OutsideInput(Input):
    """What becomes of what is held back."""

    action = serializers.ChoiceField(choices=(("arm", "Let it go"), ("discard", "Throw it away")))


def _outside(actor: Actor) -> dict[str, Any]:
    row = pause_for(actor)
    # Names of documents are not told here: an operator sees counts, whatever lies in the workspaces.
    waiting = [{"kind": each.kind, "title": each.title, "count": each.count} for each in waiting_for(actor)]
    return OutsideOutput({"held": row.outside, "since": row.outside_since, "waiting": waiting}).data


class MaintenanceView(APIView):
    """Maintenance."""

    @extend_schema(operation_id="backup_maintenance_read", responses=MaintenanceOutput)
    def get(self, request: Request) -> Response:
        """Whether the portal is closed to everybody but operators."""
        return Response(MaintenanceOutput(pause_for(actor_of(request))).data)

    @extend_schema(operation_id="backup_maintenance_set", request=MaintenanceInput, responses=MaintenanceOutput)
    def put(self, request: Request) -> Response:
        """Close it, or open it again. Everybody else gets 503 with `Retry-After`, and workers take no jobs."""
        values = read(MaintenanceInput, request)
        actor = actor_of(request)
        if values["maintenance"]:
            row = pauses.begin_maintenance(actor=actor, message=values["message"])
        else:
            row = pauses.end_maintenance(actor=actor)
        return Response(MaintenanceOutput(row).data)


class OutsideView(APIView):
    """What is held back after a restore."""

    @extend_schema(operation_id="backup_outside_read", responses=OutsideOutput)
    def get(self, request: Request) -> Response:
        """What waits to be published or sent, and whether it is held back."""
        return Response(_outside(actor_of(request)))

    @extend_schema(operation_id="backup_outside_set", request=OutsideInput, responses=OutsideOutput)
    def post(self, request: Request) -> Response:
        """Let it go, or throw it away; what comes after goes out as usual."""
        values = read(OutsideInput, request)
        actor = actor_of(request)
        gone = pauses.arm_outside(actor=actor, discard=values["action"] == "discard")
        return Response({**_outside(actor), "discarded": gone})
