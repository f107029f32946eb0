"""Usage and budgets in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.monitoring.models import Budget, Reservation, UsageRow
from apps.monitoring.selectors.usage import states_of
from apps.monitoring.services import budgets as services
from apps.users.admin.service_admin import ReadOnlyAdmin, ServiceAdmin
from apps.users.selectors.access import Actor


@admin.register(UsageRow)
class UsageRowAdmin(ReadOnlyAdmin):
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
class ReservationAdmin(ReadOnlyAdmin):
    """What is set aside: read only."""

    list_display = ("created_at", "subject", "state", "workspace_id", "user_id")
    list_filter = ("state",)
    search_fields = ("subject",)
    show_full_result_count = False


@admin.register(Budget)
class BudgetAdmin(ServiceAdmin):
    """Budgets."""

    list_display = (
        "scope",
        "scope_id",
        "period",
        "limit_cost",
        "currency",
        "limit_tokens",
        "used",
        "hard",
        "by_operator",
        "enabled",
    )
    list_filter = ("scope", "period", "enabled")
    fields = (
        "scope",
        "scope_id",
        "workspace_id",
        "period",
        "limit_cost",
        "currency",
        "limit_tokens",
        "warn_at",
        "hard",
        "refuse_unpriced",
        "enabled",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        """Scope and period identify the budget."""
        return ("scope", "scope_id", "workspace_id", "period", "by_operator", "used") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Budget | None = None) -> Any:
        """With what is used, once it exists."""
        return (*self.fields, "by_operator", "used") if obj else self.fields

    @admin.display(description="Used in this period")
    def used(self, budget: Budget) -> str:
        """Cost and tokens."""
        (state,) = states_of([budget])
        return f"{state.share:.0%}: {state.spent_cost:.4f} {budget.currency}, {state.spent_tokens:,} tokens"

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Budget:
        """Set one."""
        return services.create_budget(actor=actor, **values)

    def change_row(self, actor: Actor, row: Budget, values: dict[str, Any]) -> None:
        """Change limits."""
        services.update_budget(actor=actor, budget_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: Budget) -> None:
        """Remove it."""
        services.delete_budget(actor=actor, budget_id=row.pk)
