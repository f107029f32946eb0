"""Which moments can be restored."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.backups.services.moments import overview
from apps.users.api.authentication import actor_of


class MomentSpanOutput(serializers.Serializer):
    """Every second of it can be restored."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    bases = serializers.IntegerField(help_text="Sets that restores in it can begin with.")


class MomentGapOutput(serializers.Serializer):
    """What was not captured."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    why = serializers.CharField()


class MomentsOutput(serializers.Serializer):
    """How the capture of changes does, and what it gives."""

    state = serializers.CharField(help_text="off, ok, warn or fail.")
    headline = serializers.CharField()
    lag_seconds = serializers.FloatField(allow_null=True, help_text="Age of the newest change that is not stored yet.")
    problem = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    destination = serializers.CharField()
    destination_id = serializers.UUIDField(allow_null=True)
    spans = MomentSpanOutput(many=True)
    gaps = MomentGapOutput(many=True)


class MomentsView(APIView):
    """Moments."""

    @extend_schema(
        operation_id="backup_moments_read",
        parameters=[OpenApiParameter("destination_id", str, description="Of which place; the captured one.")],
        responses=MomentsOutput,
    )
    def get(self, request: Request) -> Response:
        """Say which moments can be restored, and what was not captured."""
        named = str(request.query_params.get("destination_id", ""))
        return Response(overview(actor=actor_of(request), destination_id=named))
