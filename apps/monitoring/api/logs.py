"""The log, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import limit_of
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import LogQuery
from apps.monitoring.selectors import logs as selectors
from apps.monitoring.services import logs as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class LogLineOut(serializers.Serializer[Any]):
    """A line of the log."""

    time = serializers.CharField()
    level = serializers.CharField()
    logger = serializers.CharField()
    message = serializers.CharField()
    part = serializers.CharField()
    request_id = serializers.CharField()
    actor_id = serializers.CharField()
    workspace_id = serializers.CharField()
    trace_id = serializers.CharField()
    route = serializers.CharField()
    exception = serializers.CharField()
    facts = serializers.DictField()


class LogPageOut(serializers.Serializer[Any]):
    """Lines, newest first."""

    data = LogLineOut(many=True)  # type: ignore[assignment]
    next_cursor = serializers.CharField(allow_null=True, help_text="Where to go on; null when all was looked at.")
    complete = serializers.BooleanField(
        help_text="False: the search stopped because it may not cost more; go on with the cursor."
    )


class LogQueryOut(serializers.ModelSerializer[LogQuery]):
    """A kept question."""

    filters = serializers.DictField(source="values")

    class Meta:
        model = LogQuery
        fields = ("id", "name", "filters", "author", "created_at")


class LogQueryIn(Input):
    """A question to keep."""

    name = serializers.CharField(max_length=80)
    filters = serializers.DictField(child=serializers.CharField(max_length=200, allow_blank=True))


class LogSearch(APIView):
    """The log."""

    @extend_schema(
        operation_id="logs_search",
        parameters=[
            OpenApiParameter("text", str, description="Words of the message or the traceback."),
            OpenApiParameter("level", str, enum=selectors.LEVELS, description="The least severe."),
            OpenApiParameter("logger", str, description="Begin of the logger's name."),
            OpenApiParameter("request_id", str, description="Lines of this request."),
            OpenApiParameter("actor_id", str, description="Lines of this account: user:…"),
            OpenApiParameter("workspace_id", str, description="Lines of this workspace."),
            OpenApiParameter("trace_id", str, description="Lines of this trace."),
            OpenApiParameter("part", str, description="web, worker, watch …"),
            OpenApiParameter("route", str, description="Lines of requests of this route."),
            OpenApiParameter("since", str, description="UTC, as 2026-11-26T14:03."),
            OpenApiParameter("until", str, description="UTC."),
            OpenApiParameter("cursor", str, description="Of the page before."),
            OpenApiParameter("limit", int, description="1 to 500 lines, 100 when left out."),
        ],
        responses=LogPageOut,
    )
    def get(self, request: Request) -> Response:
        """Lines of the last seven days, newest first, of the machine that answers."""
        query = request.query_params
        limit = limit_of(request, default=100, most=selectors.MAX_LINES)
        filters = {name: query[name] for name in selectors.FILTERS if query.get(name)}
        found = selectors.search_logs(actor_of(request), filters, cursor=query.get("cursor", ""), limit=limit)
        return Response(
            {
                "data": LogLineOut(found.lines, many=True).data,
                "next_cursor": found.cursor or None,
                "complete": found.complete,
            }
        )


class LogQueries(APIView):
    """Kept questions."""

    @extend_schema(operation_id="log_queries_list", responses=LogQueryOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"data": LogQueryOut(selectors.log_queries(actor_of(request)), many=True).data})

    @extend_schema(operation_id="log_queries_create", request=LogQueryIn, responses={201: LogQueryOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Keep one for everybody who may read the log."""
        values = read(LogQueryIn, request)
        row = services.keep_query(actor=actor_of(request), name=values["name"], values=values["filters"])
        return Response(LogQueryOut(row).data, status=status.HTTP_201_CREATED)


class LogQueryDetail(APIView):
    """One kept question."""

    @extend_schema(operation_id="log_queries_delete", responses={204: None})
    def delete(self, request: Request, log_query_id: uuid.UUID) -> Response:
        """Remove it."""
        services.drop_query(actor=actor_of(request), query_id=log_query_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
