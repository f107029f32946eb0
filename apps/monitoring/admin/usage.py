"""Usage and budgets in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from aiwriter.core.errors import AppError
from apps.monitoring.models import Budget, Reservation, UsageRow
from apps.monitoring.selectors.usage import budget_states
from apps.monitoring.services import budgets as services
from apps.monitoring.services.usage import period_start
from apps.users.api.authentication import actor_of


@admin.register(UsageRow)
class UsageRowAdmin(admin.ModelAdmin):
    """What was used: read only."""

    list_display = (
        "created_at",
        "purpose",
        "profile",
        "model",
        "input_tokens",
        "output_tokens",
        "price",
        "duration_ms",
        "workspace_id",
    )
    list_filter = ("purpose", "profile", "model", "currency")
    search_fields = ("subject",)
    date_hierarchy = "created_at"
    show_full_result_count = False

    @admin.display(description="Cost", ordering="cost")
    def price(self, row: UsageRow) -> str:
        """The cost, or that it is not known."""
        return "not known" if row.cost is None else f"{row.cost:.6f} {row.currency}"


@admin.register(Reservation)
class ReservationAdmin(admin.ModelAdmin):
    """What is set aside: read only."""

    list_display = ("created_at", "subject", "state", "workspace_id", "user_id")
    list_filter = ("state",)
    search_fields = ("subject",)
    show_full_result_count = False


class BudgetForm(forms.ModelForm):
    """A budget. Its scope is chosen once."""

    class Meta:
        model = Budget
        fields = (
            "scope",
            "scope_id",
            "period",
            "limit_cost",
            "currency",
            "limit_tokens",
            "warn_at",
            "hard",
            "refuse_unpriced",
            "enabled",
        )


@admin.register(Budget)
class BudgetAdmin(admin.ModelAdmin):
    """Budgets, written through the services."""

    form = BudgetForm
    list_display = ("scope", "scope_id", "period", "limit_cost", "currency", "limit_tokens", "used", "hard", "enabled")
    list_filter = ("scope", "period", "enabled")
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        """Scope and period identify the budget."""
        return ("scope", "scope_id", "period", "used") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Budget | None = None) -> Any:
        """With what is used, once it exists."""
        return (*BudgetForm.Meta.fields, "used") if obj else BudgetForm.Meta.fields

    @admin.display(description="Used in this period")
    def used(self, budget: Budget) -> str:
        """Cost and tokens."""
        starts = {budget.pk: period_start(budget.period, timezone.now())}
        state = budget_states([budget], starts)[0]
        return f"{state.share:.0%}: {state.spent_cost:.4f} {budget.currency}, {state.spent_tokens:,} tokens"

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        """Create or update through the service, which checks and records."""
        values = {name: form.cleaned_data[name] for name in form.cleaned_data if name in BudgetForm.Meta.fields}
        if change:
            services.update_budget(actor=actor_of(request), budget_id=obj.pk, **values)
        else:
            made = services.create_budget(actor=actor_of(request), **values)
            obj.pk, obj.created_at = made.pk, made.created_at
            obj._state.adding = False

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ):
        """The form; a refusal of the service becomes a message above it instead of an error page."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except AppError as error:
            self.message_user(request, str(error), messages.ERROR)
            request.method = "GET"
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        """Delete through the service."""
        services.delete_budget(actor=actor_of(request), budget_id=obj.pk)
