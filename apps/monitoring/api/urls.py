"""Addresses below /api/v1/."""

from django.urls import path

from apps.monitoring.api import health, usage

urlpatterns = [
    path("usage", usage.UsageList.as_view(), name="api-usage"),
    path("usage/summary", usage.UsageSummary.as_view(), name="api-usage-summary"),
    path("budgets", usage.BudgetList.as_view(), name="api-budgets"),
    path("budgets/<uuid:budget_id>", usage.BudgetDetail.as_view(), name="api-budget"),
    path("health", health.HealthList.as_view(), name="api-health"),
    path("health/<slug:check_key>/history", health.HealthHistory.as_view(), name="api-health-history"),
]
