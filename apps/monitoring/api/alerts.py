"""Alerts, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import Alert, AlertRule, Severity, Silence
from apps.monitoring.selectors import alerts as selectors
from apps.monitoring.services import alerts as services
from apps.monitoring.services import rules
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent


class AlertOut(serializers.ModelSerializer[Alert]):
    """Something that is wrong, or was."""

    class Meta:
        model = Alert
        fields = (
            "id",
            "rule",
            "title",
            "subject",
            "severity",
            "state",
            "summary",
            "remedy",
            "value",
            "begun_at",
            "fired_at",
            "resolved_at",
            "acknowledged_at",
            "acknowledged_by",
            "silenced",
            "drill",
            "external",
        )


class RuleOut(serializers.ModelSerializer[AlertRule]):
    """What is judged."""

    proven = serializers.BooleanField(source="is_proven", help_text="A drill has arrived within 90 days.")

    class Meta:
        model = AlertRule
        fields = ("id", "slug", *rules.FIELDS, "built_in", "proven", "proven_at", "created_at", "updated_at")


class RuleChangeIn(Input):
    """What may be changed of a rule."""

    title = serializers.CharField(max_length=120, required=False)
    severity = serializers.ChoiceField(Severity.choices, required=False)
    source = serializers.ChoiceField(AlertRule.Source.choices, required=False)  # type: ignore[assignment]
    subject = serializers.CharField(max_length=120, allow_blank=True, required=False)
    label = serializers.CharField(max_length=160, allow_blank=True, required=False)  # type: ignore[assignment]
    level = serializers.ChoiceField(["warn", "fail", "none"], required=False)
    combine = serializers.ChoiceField(AlertRule.Combine.choices, required=False)
    compare = serializers.ChoiceField(AlertRule.Compare.choices, required=False)
    threshold = serializers.FloatField(required=False)
    window_minutes = serializers.IntegerField(min_value=1, max_value=1440, required=False)
    for_seconds = serializers.IntegerField(min_value=0, max_value=86400, required=False)
    keep_firing_seconds = serializers.IntegerField(min_value=0, max_value=86400, required=False)
    needed = serializers.IntegerField(min_value=1, max_value=20, required=False)
    of_last = serializers.IntegerField(min_value=1, max_value=20, required=False)
    no_data = serializers.ChoiceField(AlertRule.NoData.choices, required=False)
    no_data_seconds = serializers.IntegerField(min_value=0, max_value=86400, required=False)
    runbook = serializers.CharField(max_length=120, allow_blank=True, required=False)
    enabled = serializers.BooleanField(required=False)


class RuleIn(RuleChangeIn):
    """A new rule."""

    slug = serializers.SlugField(max_length=60)
    title = serializers.CharField(max_length=120)
    source = serializers.ChoiceField(AlertRule.Source.choices)


class SilenceOut(serializers.ModelSerializer[Silence]):
    """What is kept quiet."""

    class Meta:
        model = Silence
        fields = (
            "id",
            "kind",
            "rule",
            "subject",
            "reason",
            "announcement",
            "starts_at",
            "ends_at",
            "author",
            "created_at",
        )


class SilenceIn(Input):
    """A new silence."""

    kind = serializers.ChoiceField(Silence.Kind.choices, required=False)
    rule_id = serializers.UUIDField(required=False, allow_null=True)
    subject = serializers.CharField(max_length=200, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=300)
    announcement = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text="What the public status page says of a maintenance window, from three days before.",
    )
    starts_at = serializers.DateTimeField(required=False)
    ends_at = serializers.DateTimeField(help_text="At most seven days after its begin.")


class TakenOut(serializers.Serializer[Any]):
    """What became of alerts from outside."""

    changed = serializers.IntegerField()


class AlertList(APIView):
    """Alerts, newest first."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="alerts_list",
        parameters=[
            OpenApiParameter("state", str, enum=Alert.State.values, description="Only these."),
            OpenApiParameter("drill", bool, description="Drills too; false when left out."),
        ],
        responses=AlertOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """A page of alerts."""
        query = request.query_params
        rows = selectors.alerts_for(actor_of(request))
        if (state := query.get("state", "")) and state not in Alert.State.values:
            raise InvalidInput(f"'{state[:20]}' is no state.", field="state", remedy=", ".join(Alert.State.values))
        rows = rows.filter(state=state) if state else rows
        rows = rows if query.get("drill") == "true" else rows.filter(drill=False)
        return paginated(request, rows, row=lambda each: AlertOut(each).data, ordering=("-begun_at", "-id"))


class AlertDetail(APIView):
    """One alert."""

    @extend_schema(operation_id="alerts_read", responses=AlertOut)
    def get(self, request: Request, alert_id: uuid.UUID) -> Response:
        """All of it."""
        return Response(AlertOut(selectors.get_alert(actor_of(request), alert_id)).data)


class AlertAcknowledge(APIView):
    """Taking one up."""

    @extend_schema(operation_id="alerts_acknowledge", request=None, responses=AlertOut)
    def post(self, request: Request, alert_id: uuid.UUID) -> Response:
        """It is not told again, and ends by itself when the trouble does."""
        return Response(AlertOut(services.acknowledge(actor=actor_of(request), alert_id=alert_id)).data)


class AlertWebhook(APIView):
    """Alerts of a Prometheus Alertmanager."""

    @extend_schema(operation_id="alerts_webhook", request=OpenApiTypes.OBJECT, responses=TakenOut)
    def post(self, request: Request) -> Response:
        """Takes what Alertmanager sends (version 4); the alerts go the same ways as the portal's own."""
        if not isinstance(request.data, dict):
            raise InvalidInput("The body is no object.", remedy="Send what Alertmanager sends.")
        return Response({"changed": services.take_in(actor=actor_of(request), body=request.data)})


class RuleList(APIView):
    """Rules."""

    @extend_schema(operation_id="alert_rules_list", responses=RuleOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"data": RuleOut(selectors.rules_for(actor_of(request)), many=True).data})

    @extend_schema(operation_id="alert_rules_create", request=RuleIn, responses={201: RuleOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Have something judged."""
        rule = rules.create_rule(actor=actor_of(request), **read(RuleIn, request))
        return Response(RuleOut(rule).data, status=status.HTTP_201_CREATED)


class RuleDetail(APIView):
    """One rule."""

    @extend_schema(operation_id="alert_rules_read", responses=RuleOut)
    def get(self, request: Request, alert_rule_id: uuid.UUID) -> Response:
        """All of it."""
        selectors.rules_for(actor_of(request))
        return Response(RuleOut(rules.get_rule(alert_rule_id)).data)

    @extend_schema(operation_id="alert_rules_update", request=RuleChangeIn, responses=RuleOut)
    def patch(self, request: Request, alert_rule_id: uuid.UUID) -> Response:
        """Change it; it has to be proven anew."""
        values = read(RuleChangeIn, request, partial=True)
        return Response(RuleOut(rules.update_rule(actor=actor_of(request), rule_id=alert_rule_id, **values)).data)

    @extend_schema(operation_id="alert_rules_delete", responses={204: None})
    def delete(self, request: Request, alert_rule_id: uuid.UUID) -> Response:
        """Remove it. One that ships can only be switched off."""
        rules.delete_rule(actor=actor_of(request), rule_id=alert_rule_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RuleDrill(APIView):
    """Firing a rule for trial."""

    @extend_schema(operation_id="alert_rules_drill", request=None, responses={202: AlertOut})
    def post(self, request: Request, alert_rule_id: uuid.UUID) -> Response:
        """From end to end; the rule is proven when every message has arrived."""
        alert = rules.start_drill(actor=actor_of(request), rule_id=alert_rule_id)
        return Response(AlertOut(alert).data, status=status.HTTP_202_ACCEPTED)


class SilenceList(APIView):
    """Silences."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="silences_list",
        parameters=[OpenApiParameter("live", bool, description="Only those that are not over.")],
        responses=SilenceOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        rows = selectors.silences_for(actor_of(request), live=request.query_params.get("live") == "true")
        return paginated(request, rows, row=lambda each: SilenceOut(each).data, ordering=("-created_at", "-id"))

    @extend_schema(operation_id="silences_create", request=SilenceIn, responses={201: SilenceOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Keep alerts quiet for a while."""
        silence = services.create_silence(actor=actor_of(request), **read(SilenceIn, request))
        return Response(SilenceOut(silence).data, status=status.HTTP_201_CREATED)


class SilenceDetail(APIView):
    """One silence."""

    @extend_schema(operation_id="silences_end", responses={204: None})
    def delete(self, request: Request, silence_id: uuid.UUID) -> Response:
        """End it now."""
        services.end_silence(actor=actor_of(request), silence_id=silence_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
