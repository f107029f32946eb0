"""Health, for operators."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput, NotFound
from aiwriter.core.rest.pagination import CursorPage, paginated
from apps.monitoring.models import CheckResult
from apps.monitoring.selectors import health as selectors
from apps.monitoring.services.checks import learn
from apps.monitoring.services.quarantine import run_now
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
    flap_score = serializers.IntegerField(help_text="0: quiet within the last 21 results, 100: changed each time.")
    quarantined_until = serializers.DateTimeField(
        allow_null=True, help_text="It kept missing its deadline and is not run before this."
    )


class DayOut(serializers.Serializer[Any]):
    """A day of a check."""

    day = serializers.DateField()
    status = serializers.ChoiceField(["ok", "warn", "fail", "unknown", "none"], help_text="none: nobody looked.")
    ok_seconds = serializers.IntegerField()
    warn_seconds = serializers.IntegerField()
    fail_seconds = serializers.IntegerField()
    unknown_seconds = serializers.IntegerField()


class DaysOut(serializers.Serializer[Any]):
    """The days of a check."""

    key = serializers.CharField()
    days = DayOut(many=True)


class AskedOut(serializers.Serializer[Any]):
    """Where it will run."""

    machines = serializers.IntegerField()


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
        checks = {check.key: check for check in learn()}

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
                "flap_score": result.flap_score,
                "quarantined_until": result.quarantined_until,
            }

        return Response({"data": [row(result) for result in selectors.check_results(actor_of(request))]})


class HealthHistory(APIView):
    """The past of one check."""

    pagination_class = CursorPage

    @extend_schema(operation_id="health_history", responses=HistoryOut(many=True))
    def get(self, request: Request, check_key: str) -> Response:
        """Changes, and every few minutes what stayed; 14 days are kept."""
        history = selectors.check_history(actor_of(request), check_key)
        if check_key not in {check.key for check in learn()}:
            raise NotFound(f"There is no check '{check_key}'.")
        rows = history.values("id", "status", "node", "message", "latency_ms", "checked_at")
        return paginated(request, rows, ordering=("-checked_at", "-id"))


class HealthDays(APIView):
    """The past by days."""

    @extend_schema(
        operation_id="health_days",
        parameters=[
            OpenApiParameter("days", int, description="How many, today included; 90 when left out, at most 400."),
            OpenApiParameter("key", str, description="One check only."),
        ],
        responses=DaysOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """How each day went, oldest first: the worst of all machines."""
        query = request.query_params
        days = whole_number(query.get("days", "90"), "days", least=1, most=400)
        found = selectors.strips(actor_of(request), days=days, key=query.get("key", ""))
        return Response(
            {
                "data": [
                    {
                        "key": key,
                        "days": [
                            {
                                "day": day.day,
                                "status": day.status,
                                **{f"{name}_seconds": length for name, length in day.seconds.items()},
                            }
                            for day in each
                        ],
                    }
                    for key, each in sorted(found.items())
                ]
            }
        )


def whole_number(text: str, field: str, *, least: int, most: int) -> int:
    """A number of the query.

    Raises:
        InvalidInput: it is none, or out of bounds.
    """
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise InvalidInput(
            f"{field} is not a whole number from {least} to {most}.", field=field, remedy=f"Write {field}={least}."
        )
    return number


class HealthRun(APIView):
    """Running one now."""

    @extend_schema(operation_id="health_run", request=None, responses={202: AskedOut})
    def post(self, request: Request, check_key: str) -> Response:
        """Have it run within seconds on every machine; one that was held back is released."""
        return Response({"machines": run_now(actor=actor_of(request), key=check_key)}, status=202)
