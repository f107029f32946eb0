"""What was used and what may be used."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput, NotFound
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.monitoring.models import Budget
from apps.monitoring.selectors import usage as selectors
from apps.monitoring.services import budgets as services
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent

_ROW = (
    "id",
    "workspace_id",
    "user_id",
    "token_id",
    "purpose",
    "model",
    "profile",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost",
    "currency",
    "duration_ms",
    "created_at",
)


class UsageRowOut(serializers.Serializer[Any]):
    """One call."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField(allow_null=True)
    user_id = serializers.UUIDField(allow_null=True)
    token_id = serializers.UUIDField(allow_null=True)
    purpose = serializers.CharField()
    model = serializers.CharField()
    profile = serializers.CharField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(18, 9, allow_null=True, help_text="null: the price is not known.")
    currency = serializers.CharField()
    duration_ms = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class UsageSumOut(serializers.Serializer[Any]):
    """A group's sum."""

    key = serializers.CharField()
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    costs = serializers.DictField(child=serializers.DecimalField(18, 9), help_text="By currency.")
    unpriced = serializers.IntegerField(help_text="Calls whose price is not known.")


class UsageList(APIView):
    """Calls, newest first."""

    pagination_class = CursorPage

    @extend_schema(operation_id="usage_list", responses=UsageRowOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of the calls that the caller may see."""
        actor = actor_of(request)
        rows = selectors.named_usage(actor)
        return paginated(request, rows.values(*_ROW, "shown_user", "shown_token"), row=_named)


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose person is told only when they agreed to it."""
    user, token = row.pop("shown_user"), row.pop("shown_token")
    return {**row, "user_id": user, "token_id": token}


class UsageSummary(APIView):
    """Sums."""

    @extend_schema(
        operation_id="usage_summary",
        parameters=[
            OpenApiParameter("group", str, enum=list(selectors.GROUPS), description="What to add up by."),
            OpenApiParameter("since", dt.datetime, description="From here on; 30 days ago when left out."),
            OpenApiParameter("until", dt.datetime, description="Up to, not including."),
        ],
        responses=UsageSumOut(many=True),
    )
    def get(self, request: Request) -> Response:
        """Sums of the calls that the caller may see."""
        query = request.query_params
        sums = selectors.usage_by(
            actor_of(request),
            query.get("group", "day"),
            since=moment(query.get("since", ""), "since"),
            until=moment(query.get("until", ""), "until"),
        )
        return Response({"data": [dataclasses.asdict(row) for row in sums]})


def moment(text: str, field: str) -> dt.datetime | None:
    """A time of the query; None when it is empty.

    Raises:
        InvalidInput: it is none.
    """
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{field} is no date.", field=field, remedy="Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


class BudgetIn(Input):
    """Limits."""

    limit_cost = serializers.DecimalField(12, 4, min_value=0, allow_null=True, required=False)
    currency = serializers.RegexField(r"^[A-Za-z]{3}$", required=False)
    limit_tokens = serializers.IntegerField(min_value=0, max_value=2**60, allow_null=True, required=False)
    warn_at = serializers.IntegerField(min_value=1, max_value=100, required=False)
    hard = serializers.BooleanField(required=False)
    refuse_unpriced = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)


class NewBudgetIn(BudgetIn):
    """A new budget."""

    scope = serializers.ChoiceField(Budget.Scope.choices)
    scope_id = serializers.UUIDField()
    period = serializers.ChoiceField(Budget.Period.choices)
    workspace_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="Count only what is used there; editors must name it for people."
    )


class BudgetOut(serializers.ModelSerializer[Budget]):
    """A budget and what is used of it."""

    starts_on = serializers.DateField()
    spent_cost = serializers.DecimalField(18, 9)
    reserved_cost = serializers.DecimalField(18, 9)
    spent_tokens = serializers.IntegerField()
    reserved_tokens = serializers.IntegerField()
    remaining_cost = serializers.DecimalField(18, 9, allow_null=True, help_text="null: cost is not limited.")
    remaining_tokens = serializers.IntegerField(allow_null=True, help_text="null: tokens are not limited.")
    resets_on = serializers.DateField(help_text="It begins anew on this day at 00:00 UTC.")

    class Meta:
        model = Budget
        fields = (
            "id",
            "scope",
            "scope_id",
            "workspace_id",
            "by_operator",
            "period",
            "limit_cost",
            "currency",
            "limit_tokens",
            "warn_at",
            "hard",
            "refuse_unpriced",
            "enabled",
            "starts_on",
            "spent_cost",
            "reserved_cost",
            "spent_tokens",
            "reserved_tokens",
            "remaining_cost",
            "remaining_tokens",
            "resets_on",
        )


_COUNTED = (
    "starts_on",
    "spent_cost",
    "reserved_cost",
    "spent_tokens",
    "reserved_tokens",
    "remaining_cost",
    "remaining_tokens",
    "resets_on",
)


def _shown(budgets: list[Budget]) -> list[dict[str, Any]]:
    rows = []
    for state in selectors.states_of(budgets):
        budget = state.budget
        for name in _COUNTED:
            setattr(budget, name, getattr(state, name))
        rows.append(dict(BudgetOut(budget).data))
    return rows


class BudgetList(APIView):
    """Budgets."""

    @extend_schema(operation_id="budgets_list", responses=BudgetOut(many=True))
    def get(self, request: Request) -> Response:
        """Those that bind what the caller may see."""
        return Response({"data": _shown(list(selectors.visible_budgets(actor_of(request))))})

    @extend_schema(operation_id="budgets_create", request=NewBudgetIn, responses={201: BudgetOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Set one: an operator any, an editor those of the workspace, its members and their keys."""
        budget = services.create_budget(actor=actor_of(request), **read(NewBudgetIn, request))
        return Response(_shown([budget])[0], status=status.HTTP_201_CREATED)


class BudgetDetail(APIView):
    """One budget."""

    @extend_schema(operation_id="budgets_read", responses=BudgetOut)
    def get(self, request: Request, budget_id: str) -> Response:
        """Limits and what is used."""
        budget = selectors.visible_budgets(actor_of(request)).filter(pk=budget_id).first()
        if budget is None:
            raise NotFound("There is no such budget.")
        return Response(_shown([budget])[0])

    @extend_schema(operation_id="budgets_update", request=BudgetIn, responses=BudgetOut)
    def patch(self, request: Request, budget_id: str) -> Response:
        """Change limits. Nobody loosens their own."""
        values = read(BudgetIn, request, partial=True)
        budget = services.update_budget(actor=actor_of(request), budget_id=budget_id, **values)
        return Response(_shown([budget])[0])

    @extend_schema(operation_id="budgets_delete", responses={204: None})
    def delete(self, request: Request, budget_id: str) -> Response:
        """Remove it."""
        services.delete_budget(actor=actor_of(request), budget_id=budget_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
