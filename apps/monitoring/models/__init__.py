"""Tables of health, usage and budgets."""

from apps.monitoring.models.health import CheckHistory, CheckResult, Heartbeat, Status
from apps.monitoring.models.usage import (
    NANOS,
    Budget,
    BudgetHold,
    BudgetPeriod,
    Reservation,
    UsageRow,
    next_start,
    period_start,
)

__all__ = [
    "NANOS",
    "Budget",
    "BudgetHold",
    "BudgetPeriod",
    "CheckHistory",
    "CheckResult",
    "Heartbeat",
    "Reservation",
    "Status",
    "UsageRow",
    "next_start",
    "period_start",
]
