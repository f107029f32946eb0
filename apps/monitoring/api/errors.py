"""The error inbox, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from apps.monitoring.models import ErrorGroup, ErrorSample
from apps.monitoring.selectors import errors as selectors
from apps.monitoring.services import errors as services
from apps.users.api.authentication import actor_of


class ErrorOut(serializers.ModelSerializer[ErrorGroup]):
    """A kind of error."""

    class Meta:
        model = ErrorGroup
        fields = (
            "id",
            "kind",
            "text",
            "place",
            "parts",
            "state",
            "count",
            "first_seen_at",
            "last_seen_at",
            "first_release",
            "last_release",
            "came_again",
            "settled_at",
            "settled_by",
        )


class ErrorDayOut(serializers.Serializer[Any]):
    """How often it came on a day."""

    day = serializers.DateField()
    count = serializers.IntegerField()


class ErrorWholeOut(ErrorOut):
    """A kind of error with its days."""

    days = ErrorDayOut(many=True)

    class Meta(ErrorOut.Meta):
        fields = (*ErrorOut.Meta.fields, "days")  # type: ignore[assignment]


class FrameOut(serializers.Serializer[Any]):
    """A function that an error came through."""

    file = serializers.CharField()
    function = serializers.CharField()
    line = serializers.IntegerField()
    own = serializers.BooleanField(help_text="Of the portal itself.")
    code = serializers.CharField(help_text="The line of the program; no values.")


class ErrorSampleOut(serializers.ModelSerializer[ErrorSample]):
    """One error."""

    frames = FrameOut(many=True)
    causes = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ErrorSample
        fields = (
            "id",
            "at",
            "text",
            "causes",
            "frames",
            "logger",
            "part",
            "node",
            "release",
            "route",
            "request_id",
            "trace_id",
            "actor",
            "workspace",
        )


def _whole(group: ErrorGroup) -> dict[str, Any]:
    days = [{"day": day, "count": count} for day, count in selectors.days_of(group)]
    return {**ErrorOut(group).data, "days": ErrorDayOut(days, many=True).data}


class ErrorList(APIView):
    """Kinds of errors."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="errors_list",
        parameters=[
            OpenApiParameter("state", str, enum=ErrorGroup.State.values, description="Only these."),
            OpenApiParameter("part", str, description="Only of this part: web, worker, watch …"),
        ],
        responses=ErrorOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """A page of them, those that came last first."""
        query = request.query_params
        state = query.get("state", "")
        if state and state not in ErrorGroup.State.values:
            raise InvalidInput(f"'{state[:20]}' is no state.", field="state", remedy=", ".join(ErrorGroup.State.values))
        rows = selectors.errors_for(actor_of(request), state=state, part=query.get("part", "")[:40])
        return paginated(request, rows, row=lambda each: ErrorOut(each).data, ordering=("-last_seen_at", "-id"))


class ErrorDetail(APIView):
    """One kind of error."""

    @extend_schema(operation_id="errors_read", responses=ErrorWholeOut)
    def get(self, request: Request, error_id: uuid.UUID) -> Response:
        """With how often it came on each day."""
        return Response(_whole(selectors.error_for(actor_of(request), error_id)))


class ErrorSamples(APIView):
    """The errors of a kind that were kept whole."""

    pagination_class = CursorPage

    @extend_schema(operation_id="errors_samples", responses=ErrorSampleOut(many=True))
    def get(self, request: Request, error_id: uuid.UUID) -> Response:
        """The newest 25, with the functions that they came through and no values."""
        rows = selectors.samples_of(selectors.error_for(actor_of(request), error_id))
        return paginated(request, rows, row=lambda each: ErrorSampleOut(each).data, ordering=("-at", "-id"))


class ErrorResolve(APIView):
    """Mended."""

    @extend_schema(operation_id="errors_resolve", request=None, responses=ErrorWholeOut)
    def post(self, request: Request, error_id: uuid.UUID) -> Response:
        """Say that it is mended; it opens by itself should it come again."""
        return Response(_whole(services.resolve(actor=actor_of(request), error_id=error_id)))


class ErrorIgnore(APIView):
    """Ignored."""

    @extend_schema(operation_id="errors_ignore", request=None, responses=ErrorWholeOut)
    def post(self, request: Request, error_id: uuid.UUID) -> Response:
        """Say that nobody wants to be told; it is counted on."""
        return Response(_whole(services.ignore(actor=actor_of(request), error_id=error_id)))


class ErrorReopen(APIView):
    """Open again."""

    @extend_schema(operation_id="errors_reopen", request=None, responses=ErrorWholeOut)
    def post(self, request: Request, error_id: uuid.UUID) -> Response:
        """Say that it is still to be mended."""
        return Response(_whole(services.reopen(actor=actor_of(request), error_id=error_id)))
