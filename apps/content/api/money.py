"""What a wish is likely to cost, and what a text did cost."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.models import Generation
from apps.content.selectors.generations import get_generation
from apps.content.selectors.spending import document_spending, spending_of, usage_by_document
from apps.content.services.estimating import WishEstimate, estimate_wish
from apps.monitoring.api.usage import moment
from apps.users.api.authentication import actor_of
from apps.users.selectors.access import current_workspace, require


class EstimateWish(Input):
    """A wish that is not sent yet."""

    workspace = serializers.CharField(required=False, default="")
    kind = serializers.ChoiceField(choices=Generation.Kind.choices)
    brief = serializers.DictField(help_text="As for the generate/… address of the kind.")
    document_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    source_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, default=None, max_length=500
    )


class SpanOutput(serializers.Serializer):
    """Tokens, from the least to the most that is expected."""

    low = serializers.IntegerField()
    high = serializers.IntegerField()


class EstimatedModel(serializers.Serializer):
    """One backend of the chain."""

    position = serializers.IntegerField(help_text="1 is asked first; the others when it fails.")
    label = serializers.CharField()  # type: ignore[assignment]
    model = serializers.CharField()
    profile = serializers.CharField()
    healthy = serializers.BooleanField()
    context_window = serializers.IntegerField(allow_null=True)
    cost_low = serializers.DecimalField(18, 9, allow_null=True, help_text="null: the price is not known.")
    cost_high = serializers.DecimalField(18, 9, allow_null=True, help_text="null: the price is not known.")
    currency = serializers.CharField()


class EstimatedBudget(serializers.Serializer):
    """A budget that the wish would be booked in."""

    id = serializers.UUIDField()
    scope = serializers.CharField()
    period = serializers.CharField()
    hard = serializers.BooleanField()
    currency = serializers.CharField()
    remaining_cost = serializers.DecimalField(18, 9, allow_null=True, help_text="null: cost is not limited.")
    remaining_tokens = serializers.IntegerField(allow_null=True, help_text="null: tokens are not limited.")
    resets_on = serializers.DateField()
    refuses = serializers.BooleanField(help_text="Has less left than the wish needs at least.")


class CalibrationOutput(serializers.Serializer):
    """How far earlier guesses of this kind were from the truth in this workspace."""

    calls = serializers.IntegerField()
    input_ratio = serializers.FloatField(help_text="Real tokens by guessed ones; already applied to the figures.")
    output_ratio = serializers.FloatField()


class EstimateOutput(serializers.Serializer):
    """What the wish is likely to use."""

    kind = serializers.CharField()
    input_tokens = SpanOutput()
    output_tokens = SpanOutput()
    model = EstimatedModel(allow_null=True, help_text="Who would answer; null: no model is set up.")
    fallbacks = EstimatedModel(many=True)
    budgets = EstimatedBudget(many=True)
    calibration = CalibrationOutput()


class EstimateView(APIView):
    """Cost of a wish."""

    @extend_schema(operation_id="generate_estimate", request=EstimateWish, responses=EstimateOutput)
    def post(self, request: Request) -> Response:
        """What a wish is likely to use and to cost, who would answer, and what is left of the budgets. Nothing is sent
        to a model."""
        actor, wish = actor_of(request), read(EstimateWish, request)
        room = current_workspace(actor, wish["workspace"] or None)
        found = estimate_wish(
            actor=actor,
            workspace=room,
            kind=wish["kind"],
            brief=wish["brief"],
            document_id=wish["document_id"],
            source_ids=wish["source_ids"],
        )
        return Response(EstimateOutput(shown_estimate(found)).data)


def shown_estimate(found: WishEstimate) -> dict[str, Any]:
    """An estimate as the API shows it."""
    refusing = found.refusing
    return {
        "kind": found.kind,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "model": found.model,
        "fallbacks": found.fallbacks,
        "budgets": [
            {
                "id": state.budget.pk,
                "scope": state.budget.scope,
                "period": state.budget.period,
                "hard": state.budget.hard,
                "currency": state.budget.currency,
                "remaining_cost": state.remaining_cost,
                "remaining_tokens": state.remaining_tokens,
                "resets_on": state.resets_on,
                "refuses": state in refusing,
            }
            for state in found.budgets
        ],
        "calibration": found.calibration,
    }


class AttemptOutput(serializers.Serializer):
    """One attempt to have it written."""

    number = serializers.IntegerField()
    model = serializers.CharField()
    profile = serializers.CharField()
    state = serializers.CharField()
    error_kind = serializers.CharField(allow_blank=True)
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    counted = serializers.BooleanField(help_text="The tokens were counted here; false: the provider told them.")
    cost = serializers.DecimalField(18, 9, allow_null=True, help_text="null: the price is not known.")
    currency = serializers.CharField(allow_blank=True)
    ttft_ms = serializers.IntegerField(allow_null=True, help_text="Until the first token.")
    duration_ms = serializers.IntegerField(allow_null=True)


class SpendingTotal(serializers.Serializer):
    """Sums."""

    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    costs = serializers.DictField(child=serializers.DecimalField(18, 9), help_text="By currency.")
    unpriced = serializers.IntegerField(help_text="Calls whose price is not known.")


class GenerationUsageOutput(serializers.Serializer):
    """What a generation used."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    state = serializers.CharField()
    created_at = serializers.DateTimeField()
    person = serializers.CharField(allow_blank=True)
    fallback = serializers.BooleanField(help_text="Another backend than the first one was needed.")
    attempts = AttemptOutput(many=True)
    total = SpendingTotal()


class DocumentUsageOutput(serializers.Serializer):
    """What a document used."""

    total = SpendingTotal()
    generations = GenerationUsageOutput(many=True, help_text="The newest 100.")
    more = serializers.IntegerField(help_text="Older ones, which are in the total only.")


class GenerationUsageView(APIView):
    """Usage of a generation."""

    @extend_schema(operation_id="generation_usage", responses=GenerationUsageOutput)
    def get(self, request: Request, generation_id: uuid.UUID) -> Response:
        """Who wrote it, in which attempts, and what each cost."""
        actor = actor_of(request)
        found = get_generation(actor=actor, generation_id=generation_id)
        require(actor, "usage.read", workspace=found.workspace_id)
        (spending,) = spending_of([found])
        return Response(GenerationUsageOutput(spending).data)


class DocumentUsageView(APIView):
    """Usage of a document."""

    @extend_schema(operation_id="content_usage", responses=DocumentUsageOutput)
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Which model wrote what for it, and what that cost."""
        return Response(DocumentUsageOutput(document_spending(actor=actor_of(request), document_id=document_id)).data)


class DocumentSumOutput(serializers.Serializer):
    """What a document used in the time."""

    document_id = serializers.UUIDField()
    title = serializers.CharField(allow_blank=True)
    deleted = serializers.BooleanField(help_text="It lies in the bin.")
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    costs = serializers.DictField(child=serializers.DecimalField(18, 9), help_text="By currency.")
    unpriced = serializers.IntegerField(help_text="Calls whose price is not known.")


class UsageByDocument(serializers.Serializer):
    """Sums by document."""

    data = DocumentSumOutput(many=True, help_text="The 200 that used most.")  # type: ignore[assignment]
    more = serializers.IntegerField(help_text="Documents that are not shown.")


class UsageByDocumentView(APIView):
    """Usage by document."""

    @extend_schema(
        operation_id="usage_documents",
        parameters=[
            WORKSPACE,
            OpenApiParameter("since", dt.datetime, description="From here on; 30 days ago when left out."),
            OpenApiParameter("until", dt.datetime, description="Up to, not including."),
        ],
        responses=UsageByDocument,
    )
    def get(self, request: Request) -> Response:
        """What models used for each document of a workspace. Editors see all, others what they asked for."""
        actor, query = actor_of(request), request.query_params
        require(actor, "usage.read")
        data, more = usage_by_document(
            actor=actor,
            workspace=current_workspace(actor, query.get("workspace")),
            since=moment(query.get("since", ""), "since") or timezone.now() - dt.timedelta(days=30),
            until=moment(query.get("until", ""), "until"),
        )
        return Response(UsageByDocument({"data": data, "more": more}).data)
