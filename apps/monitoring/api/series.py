"""Figures over time, for programs."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from apps.monitoring.selectors import series as selectors
from apps.users.api.authentication import actor_of


class SeriesOut(serializers.Serializer[Any]):
    """A figure that is measured."""

    name = serializers.CharField()
    label = serializers.CharField(help_text="Of what: a route, a backend, a check's figure.")  # type: ignore[assignment]
    node = serializers.CharField()


class PointOut(serializers.Serializer[Any]):
    """What it was."""

    at = serializers.IntegerField(help_text="Seconds since 1970 at which it begins.")
    mean = serializers.FloatField()
    total = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class HistoryOfSeriesOut(serializers.Serializer[Any]):
    """A series with its points."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    points = PointOut(many=True)


class SeriesList(APIView):
    """What is measured."""

    pagination_class = CursorPage

    @extend_schema(operation_id="metrics_series", responses=SeriesOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of the series, newest first."""
        rows = selectors.all_series(actor_of(request)).values("id", "name", "label", "node")
        return paginated(request, rows, ordering=("-id",))


class MetricsQuery(APIView):
    """The points of a figure."""

    @extend_schema(
        operation_id="metrics_query",
        parameters=[
            OpenApiParameter("name", str, required=True, description="Which figure, such as request_p95_seconds."),
            OpenApiParameter("label", str, description="Of this only; all when left out."),
            OpenApiParameter("range", str, enum=list(selectors.RANGES), description="How far back; 24h when left out."),
        ],
        responses=HistoryOfSeriesOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """At most some 400 points of each; machines are taken together."""
        query = request.query_params
        name, label = query.get("name", ""), query.get("label")
        found = selectors.histories(
            actor_of(request),
            [name],
            span=query.get("range", "24h"),
            labels=None if label is None else [label],
        )
        if not name:
            raise InvalidInput("Say which figure.", field="name", remedy="See /api/v1/metrics/series.")
        return Response(
            {
                "data": [
                    {
                        "name": each.name,
                        "label": each.label,
                        "points": [
                            {"at": p.at, "mean": p.mean, "total": p.total, "low": p.low, "high": p.high}
                            for p in each.points
                        ],
                    }
                    for each in found[name]
                ]
            }
        )
