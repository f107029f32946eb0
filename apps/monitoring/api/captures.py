"""Debug captures, for programs."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import DebugCapture
from apps.monitoring.selectors.captures import captures_for
from apps.monitoring.services import captures as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class CaptureOut(serializers.ModelSerializer[DebugCapture]):
    """A debug capture."""

    class Meta:
        model = DebugCapture
        fields = (
            "id",
            "user_id",
            "request_id",
            "reason",
            "minutes",
            "state",
            "asked_by",
            "asked_at",
            "decided_by",
            "begun_at",
            "ends_at",
            "destroy_at",
            "lines",
            "digest",
        )


class CaptureIn(Input):
    """What is asked for."""

    user_id = serializers.UUIDField(required=False, allow_null=True)
    request_id = serializers.CharField(required=False, allow_blank=True, max_length=64)
    reason = serializers.CharField(max_length=300)
    minutes = serializers.IntegerField(required=False, min_value=1, max_value=15)


class CaptureEndIn(Input):
    """How it ends."""

    destroy = serializers.BooleanField(required=False, help_text="What was captured goes at once, not in a day.")


class CapturedOut(serializers.Serializer[Any]):
    """The lines, oldest first."""

    data = serializers.ListField(child=serializers.DictField())  # type: ignore[assignment]


class CaptureList(APIView):
    """Debug captures."""

    pagination_class = CursorPage

    @extend_schema(operation_id="debug_captures_list", responses=CaptureOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = captures_for(actor_of(request))
        return paginated(request, rows, row=lambda each: CaptureOut(each).data, ordering=("-asked_at", "-id"))

    @extend_schema(operation_id="debug_captures_ask", request=CaptureIn, responses={201: CaptureOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Ask for one; it begins when the person or a second operator agrees."""
        row = services.ask_capture(actor=actor_of(request), **read(CaptureIn, request))
        return Response(CaptureOut(row).data, status=status.HTTP_201_CREATED)


class CaptureDetail(APIView):
    """One capture."""

    @extend_schema(operation_id="debug_captures_read", responses=CaptureOut)
    def get(self, request: Request, capture_id: uuid.UUID) -> Response:
        """How far it is; for operators and for whom it is about."""
        return Response(CaptureOut(services.get_capture(actor_of(request), capture_id)).data)


class CaptureApprove(APIView):
    """Agreeing."""

    @extend_schema(operation_id="debug_captures_approve", request=None, responses=CaptureOut)
    def post(self, request: Request, capture_id: uuid.UUID) -> Response:
        """Agree: as the person whom it is about, or as an operator who did not ask for it."""
        row = services.decide_capture(actor=actor_of(request), capture_id=capture_id, agree=True)
        return Response(CaptureOut(row).data)


class CaptureRefuse(APIView):
    """Refusing."""

    @extend_schema(operation_id="debug_captures_refuse", request=None, responses=CaptureOut)
    def post(self, request: Request, capture_id: uuid.UUID) -> Response:
        """Refuse it."""
        row = services.decide_capture(actor=actor_of(request), capture_id=capture_id, agree=False)
        return Response(CaptureOut(row).data)


class CaptureEnd(APIView):
    """Ending."""

    @extend_schema(operation_id="debug_captures_end", request=CaptureEndIn, responses=CaptureOut)
    def post(self, request: Request, capture_id: uuid.UUID) -> Response:
        """End it before its time."""
        values = read(CaptureEndIn, request)
        row = services.end_capture(actor=actor_of(request), capture_id=capture_id, **values)
        return Response(CaptureOut(row).data)


class CaptureLines(APIView):
    """What was captured."""

    @extend_schema(operation_id="debug_captures_lines", responses=CapturedOut)
    def get(self, request: Request, capture_id: uuid.UUID) -> Response:
        """The newest 500 lines on the machine that answers; that they were read is recorded."""
        lines = services.read_capture(actor=actor_of(request), capture_id=capture_id)
        return Response({"data": [orjson.loads(line) for line in lines]})
