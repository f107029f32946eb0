"""Health, for operators."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import NotFound
from aiwriter.core.rest.pagination import CursorPage, paginated
from apps.monitoring.models import CheckResult
from apps.monitoring.selectors import health as selectors
from apps.monitoring.services.checks import registry
from apps.users.api.authentication import actor_of


class CheckOut(serializers.Serializer[Any]):
    """A check's newest result on a machine."""

    key = serializers.CharField()
    title = serializers.CharField()
    node = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    status = serializers.ChoiceField(["ok", "warn", "fail", "unknown"])
    message = serializers.CharField()
    remedy = serializers.CharField()
    data = serializers.DictField(child=serializers.FloatField())  # type: ignore[assignment]
    latency_ms = serializers.IntegerField()
    since = serializers.DateTimeField()
    checked_at = serializers.DateTimeField()
    runbook = serializers.CharField()


class HistoryOut(serializers.Serializer[Any]):
    """What a check once said."""

    status = serializers.CharField()
    node = serializers.CharField()
    message = serializers.CharField()
    latency_ms = serializers.IntegerField()
    checked_at = serializers.DateTimeField()


class HealthList(APIView):
    """All checks."""

    @extend_schema(operation_id="health_list", responses=CheckOut(many=True))
    def get(self, request: Request) -> Response:
        """Newest results; one that expired is unknown."""
        checks = {check.key: check for check in registry()}

        def row(result: CheckResult) -> dict[str, Any]:
            check = checks.get(result.key)
            return {
                "key": result.key,
                "title": check.title if check else result.key,
                "node": result.node,
                "required": bool(check and check.required),
                "status": result.effective_status,
                "message": result.message,
                "remedy": result.remedy,
                "data": result.data,
                "latency_ms": result.latency_ms,
                "since": result.since,
                "checked_at": result.checked_at,
                "runbook": check.runbook if check else "",
            }

        return Response({"data": [row(result) for result in selectors.check_results(actor_of(request))]})


class HealthHistory(APIView):
    """The past of one check."""

    pagination_class = CursorPage

    @extend_schema(operation_id="health_history", responses=HistoryOut(many=True))
    def get(self, request: Request, check_key: str) -> Response:
        """Changes, and every few minutes what stayed; 48 hours are kept."""
        history = selectors.check_history(actor_of(request), check_key)
        if check_key not in {check.key for check in registry()}:
            raise NotFound(f"There is no check '{check_key}'.")
        rows = history.values("id", "status", "node", "message", "latency_ms", "checked_at")
        return paginated(request, rows, ordering=("-checked_at", "-id"))
