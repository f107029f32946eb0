"""Scheduled reports, for programs."""

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
from apps.monitoring.models import ReportRun, ReportSchedule
from apps.monitoring.selectors import reports as selectors
from apps.monitoring.services import report_sending
from apps.monitoring.services import reports as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class ReportRowOut(serializers.Serializer[Any]):
    """A figure in words."""

    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField()
    before = serializers.CharField(help_text="The same of the time before; empty where that is not said.")
    look = serializers.CharField(help_text="ok, warn, fail, or empty.")


class ReportSectionOut(serializers.Serializer[Any]):
    """Figures that belong together."""

    title = serializers.CharField()
    rows = ReportRowOut(many=True)
    note = serializers.CharField(help_text="What is to be said where there are no rows.")


class ReportOut(serializers.Serializer[Any]):
    """The figures of a report."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    made_at = serializers.DateTimeField()
    version = serializers.CharField()
    sections = ReportSectionOut(many=True)
    text = serializers.CharField(help_text="The same as plain text, as it stands in the mail.")


class ReportScheduleOut(serializers.ModelSerializer[ReportSchedule]):
    """Who gets the report of a week or a month."""

    class Meta:
        model = ReportSchedule
        fields = ("id", "name", "period", "hour", "people", "channels", "enabled", "next_at", "created_at")


class ReportScheduleIn(Input):
    """A new one."""

    name = serializers.CharField(max_length=80)
    period = serializers.ChoiceField(ReportSchedule.Period.choices, required=False)
    hour = serializers.IntegerField(min_value=0, max_value=23, required=False, help_text="UTC.")
    people = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=50)
    channels = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=50)
    enabled = serializers.BooleanField(required=False)


class ReportScheduleChangeIn(ReportScheduleIn):
    """What may be changed."""

    name = serializers.CharField(max_length=80, required=False)


class ToldOut(serializers.Serializer[Any]):
    """What became of one recipient."""

    name = serializers.CharField()
    ok = serializers.BooleanField()
    said = serializers.CharField()
    at = serializers.DateTimeField()


class ReportRunOut(serializers.ModelSerializer[ReportRun]):
    """A report that was made."""

    class Meta:
        model = ReportRun
        fields = ("id", "schedule", "since", "until", "by_hand", "state", "error", "created_at", "finished_at")


class ReportRunDetailOut(ReportRunOut):
    """With its figures and whom it reached."""

    report = ReportOut()
    told = ToldOut(many=True)

    class Meta(ReportRunOut.Meta):
        fields = (*ReportRunOut.Meta.fields, "report", "told")  # type: ignore[assignment]


class ReportScheduleList(APIView):
    """Scheduled reports."""

    @extend_schema(operation_id="report_schedules_list", responses=ReportScheduleOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"data": ReportScheduleOut(selectors.schedules_for(actor_of(request)), many=True).data})

    @extend_schema(operation_id="report_schedules_create", request=ReportScheduleIn, responses={201: ReportScheduleOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Have a report sent regularly."""
        made = services.create_schedule(actor=actor_of(request), **read(ReportScheduleIn, request))
        return Response(ReportScheduleOut(made).data, status=status.HTTP_201_CREATED)


class ReportScheduleDetail(APIView):
    """One of them."""

    @extend_schema(operation_id="report_schedules_read", responses=ReportScheduleOut)
    def get(self, request: Request, report_schedule_id: uuid.UUID) -> Response:
        """Who gets it."""
        return Response(ReportScheduleOut(selectors.schedule_for(actor_of(request), report_schedule_id)).data)

    @extend_schema(operation_id="report_schedules_update", request=ReportScheduleChangeIn, responses=ReportScheduleOut)
    def patch(self, request: Request, report_schedule_id: uuid.UUID) -> Response:
        """Change it."""
        values = read(ReportScheduleChangeIn, request, partial=True)
        changed = services.update_schedule(actor=actor_of(request), schedule_id=report_schedule_id, **values)
        return Response(ReportScheduleOut(changed).data)

    @extend_schema(operation_id="report_schedules_delete", responses={204: None})
    def delete(self, request: Request, report_schedule_id: uuid.UUID) -> Response:
        """Send it no more."""
        services.delete_schedule(actor=actor_of(request), schedule_id=report_schedule_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReportSchedulePreview(APIView):
    """What would be sent."""

    @extend_schema(operation_id="report_schedules_preview", responses=ReportOut)
    def get(self, request: Request, report_schedule_id: uuid.UUID) -> Response:
        """The figures of the newest whole week or month; nothing is kept."""
        actor = actor_of(request)
        schedule = selectors.schedule_for(actor, report_schedule_id)
        figures = services.preview(actor=actor, schedule_id=report_schedule_id)
        return Response({**figures, "text": report_sending.as_text(schedule.name, figures)})


class ReportScheduleSend(APIView):
    """Sending one beside the schedule."""

    @extend_schema(operation_id="report_schedules_send", request=None, responses={202: ReportRunOut})
    @idempotent
    def post(self, request: Request, report_schedule_id: uuid.UUID) -> Response:
        """Send it now; it goes out within half a minute."""
        run = services.send_report(actor=actor_of(request), schedule_id=report_schedule_id)
        return Response(ReportRunOut(run).data, status=status.HTTP_202_ACCEPTED)


class ReportRunList(APIView):
    """Reports that were made."""

    pagination_class = CursorPage

    @extend_schema(operation_id="reports_list", responses=ReportRunOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        return paginated(request, selectors.runs_for(actor_of(request)), row=lambda each: ReportRunOut(each).data)


class ReportRunDetail(APIView):
    """One report."""

    @extend_schema(operation_id="reports_read", responses=ReportRunDetailOut)
    def get(self, request: Request, report_run_id: uuid.UUID) -> Response:
        """Its figures, and whom it reached."""
        run = selectors.run_for(actor_of(request), report_run_id)
        report = {**run.figures, "text": report_sending.as_text(run.schedule.name, run.figures)}
        told = ToldOut(selectors.told_of(run), many=True).data
        return Response({**ReportRunOut(run).data, "report": report, "told": told})
