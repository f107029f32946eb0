"""Unusual activity, for programs."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import Anomaly
from apps.monitoring.selectors import anomalies as selectors
from apps.monitoring.services import anomalies as services
from apps.users.api.authentication import actor_of


class AnomalyOut(serializers.ModelSerializer[Anomaly]):
    """A finding."""

    class Meta:
        model = Anomaly
        fields = (
            "id",
            "kind",
            "user_id",
            "begins_at",
            "value",
            "usual",
            "score",
            "found_at",
            "seen_by",
            "seen_at",
            "note",
        )


class AnomalySeenIn(Input):
    """What it turned out to be."""

    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


class AnomalyList(APIView):
    """Findings."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="anomalies_list",
        parameters=[OpenApiParameter("new", bool, description="Only those that nobody has looked at.")],
        responses=AnomalyOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """A page of them, newest first; for auditors."""
        rows = selectors.anomalies_for(actor_of(request))
        if request.query_params.get("new") == "true":
            rows = rows.filter(seen_at=None)
        return paginated(request, rows, row=lambda each: AnomalyOut(each).data, ordering=("-found_at", "-id"))


class AnomalySeen(APIView):
    """Looking at one."""

    @extend_schema(operation_id="anomalies_seen", request=AnomalySeenIn, responses=AnomalyOut)
    def post(self, request: Request, anomaly_id: uuid.UUID) -> Response:
        """Say that somebody has looked, and what it turned out to be."""
        values = read(AnomalySeenIn, request)
        return Response(AnomalyOut(services.mark_seen(actor=actor_of(request), anomaly_id=anomaly_id, **values)).data)
