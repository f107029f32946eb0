"""Heartbeats from outside, for programs: setting them up, and reporting."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import ExpectedRun, RunReport
from apps.monitoring.selectors import expected_runs as selectors
from apps.monitoring.services import expected_runs as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class HeartbeatOut(serializers.ModelSerializer[ExpectedRun]):
    """A job elsewhere that has to report."""

    state = serializers.ChoiceField(ExpectedRun.State.choices)
    due_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = ExpectedRun
        fields = (
            "id",
            "slug",
            *services.FIELDS,
            "state",
            "due_at",
            "started_at",
            "reported_at",
            "exit_code",
        )


class HeartbeatIn(Input):
    """A new one."""

    slug = serializers.SlugField(max_length=60)
    title = serializers.CharField(max_length=120)
    period_seconds = serializers.IntegerField(required=False, allow_null=True, min_value=30, max_value=60 * 86400)
    cron = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text="UTC: 15 3 * * *")
    grace_seconds = serializers.IntegerField(required=False, min_value=1, max_value=7 * 86400)
    enabled = serializers.BooleanField(required=False)


class HeartbeatChangeIn(HeartbeatIn):
    """What may be changed."""

    slug = None  # type: ignore[assignment]


class RunReportIn(Input):
    """What a job says."""

    exit_code = serializers.IntegerField(required=False, allow_null=True, min_value=-32768, max_value=32767)
    log = serializers.CharField(required=False, allow_blank=True, max_length=100_000, help_text="Its end is kept.")


class RunReportOut(serializers.ModelSerializer[RunReport]):
    """A report."""

    class Meta:
        model = RunReport
        fields = ("id", "kind", "at", "exit_code", "took_seconds", "log", "sender")


class HeartbeatList(APIView):
    """What has to report."""

    @extend_schema(operation_id="heartbeats_list", responses=HeartbeatOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them."""
        rows = selectors.expected_runs_for(actor_of(request))
        return Response({"data": HeartbeatOut(rows, many=True).data})

    @extend_schema(operation_id="heartbeats_create", request=HeartbeatIn, responses={201: HeartbeatOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Expect reports: at least so often, or at these times."""
        run = services.create_expected_run(actor=actor_of(request), **read(HeartbeatIn, request))
        return Response(HeartbeatOut(run).data, status=status.HTTP_201_CREATED)


class HeartbeatDetail(APIView):
    """One of them."""

    @extend_schema(operation_id="heartbeats_read", responses=HeartbeatOut)
    def get(self, request: Request, heartbeat_id: uuid.UUID) -> Response:
        """How it stands."""
        return Response(HeartbeatOut(selectors.expected_run_for(actor_of(request), heartbeat_id)).data)

    @extend_schema(operation_id="heartbeats_update", request=HeartbeatChangeIn, responses=HeartbeatOut)
    def patch(self, request: Request, heartbeat_id: uuid.UUID) -> Response:
        """Change what is expected."""
        values = read(HeartbeatChangeIn, request, partial=True)
        run = services.update_expected_run(actor=actor_of(request), run_id=heartbeat_id, **values)
        return Response(HeartbeatOut(run).data)

    @extend_schema(operation_id="heartbeats_delete", responses={204: None})
    def delete(self, request: Request, heartbeat_id: uuid.UUID) -> Response:
        """Expect it no longer."""
        services.delete_expected_run(actor=actor_of(request), run_id=heartbeat_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class HeartbeatReports(APIView):
    """What came in."""

    pagination_class = CursorPage

    @extend_schema(operation_id="heartbeats_reports", responses=RunReportOut(many=True))
    def get(self, request: Request, heartbeat_id: uuid.UUID) -> Response:
        """A page of reports, newest first."""
        rows = selectors.reports_of(selectors.expected_run_for(actor_of(request), heartbeat_id))
        return paginated(request, rows, row=lambda each: RunReportOut(each).data, ordering=("-at", "-id"))


class _Reporting(APIView):
    kind = RunReport.Kind.PING

    def take(self, request: Request, slug: str) -> Response:
        """Take a report of this kind."""
        run = services.report(actor=actor_of(request), slug=slug, kind=self.kind, **read(RunReportIn, request))
        return Response({"state": run.state})


class StateOut(serializers.Serializer[Any]):
    """How it stands now."""

    state = serializers.ChoiceField(ExpectedRun.State.choices)


class HeartbeatPing(_Reporting):
    """It has run."""

    @extend_schema(operation_id="heartbeats_ping", request=RunReportIn, responses=StateOut)
    def post(self, request: Request, heartbeat_slug: str) -> Response:
        """It went well; with an exit code other than 0 it did not."""
        return self.take(request, heartbeat_slug)


class HeartbeatStart(_Reporting):
    """It begins."""

    kind = RunReport.Kind.START

    @extend_schema(operation_id="heartbeats_start", request=RunReportIn, responses=StateOut)
    def post(self, request: Request, heartbeat_slug: str) -> Response:
        """It begins; its end has to follow within its grace."""
        return self.take(request, heartbeat_slug)


class HeartbeatFail(_Reporting):
    """It failed."""

    kind = RunReport.Kind.FAIL

    @extend_schema(operation_id="heartbeats_fail", request=RunReportIn, responses=StateOut)
    def post(self, request: Request, heartbeat_slug: str) -> Response:
        """It failed: somebody is told at once."""
        return self.take(request, heartbeat_slug)


class HeartbeatLog(_Reporting):
    """A note."""

    kind = RunReport.Kind.LOG

    @extend_schema(operation_id="heartbeats_log", request=RunReportIn, responses=StateOut)
    def post(self, request: Request, heartbeat_slug: str) -> Response:
        """Keep some words; nothing else changes."""
        return self.take(request, heartbeat_slug)
