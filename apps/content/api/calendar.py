"""What is planned and what went out."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from apps.content.api.documents import WORKSPACE
from apps.content.selectors.calendar import calendar
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import current_workspace

KINDS = ("scheduled", "published", "failed", "outside")


class EntryOutput(serializers.Serializer):
    """One thing at one time."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=KINDS)
    document_id = serializers.UUIDField()
    title = serializers.CharField()
    version = serializers.IntegerField()
    place = serializers.CharField(allow_blank=True, help_text="A place outside; empty for the portal.")


class CalendarOutput(serializers.Serializer):
    """All entries, in order."""

    data = EntryOutput(many=True)  # type: ignore[assignment]


class CalendarView(APIView):
    """The calendar."""

    @extend_schema(
        operation_id="calendar_list",
        parameters=[
            WORKSPACE,
            OpenApiParameter("start", dt.datetime, required=True, description="With a time zone."),
            OpenApiParameter("end", dt.datetime, required=True, description="Not included; at most 100 days later."),
        ],
        responses=CalendarOutput,
    )
    def get(self, request: Request) -> Response:
        """What is scheduled, published or failed between two times, at most 500 entries."""
        actor, query = actor_of(request), request.query_params
        workspace = current_workspace(actor, query["workspace"]) if query.get("workspace") else None
        start, end = _moment(query.get("start", ""), "start"), _moment(query.get("end", ""), "end")
        entries = calendar(actor=actor, workspace=workspace, start=start, end=end)
        return Response({"data": [asdict(entry) for entry in entries]})


def _moment(text: str, field: str) -> dt.datetime:
    try:
        # A plus that was not written as %2B arrives as a blank.
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 1990 < found.year < 2200:
        raise InvalidInput(
            f"{field} is no time with a time zone.", field=field, remedy="Send one such as 2026-12-01T00:00:00Z."
        )
    return found
