"""Tables of health, figures, alerts, usage and budgets."""

from apps.monitoring.models.alerts import LONGEST_SILENCE, Alert, AlertRule, Leadership, Severity, Silence
from apps.monitoring.models.channels import AlertChannel, AlertDelivery, AlertRoute
from apps.monitoring.models.health import RECENT, CheckDay, CheckHistory, CheckResult, Heartbeat, Status
from apps.monitoring.models.incidents import Incident, IncidentAction, IncidentEntry
from apps.monitoring.models.series import FIVE_MINUTES, HOUR, MINUTE, MetricPoint, MetricSeries
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
    "FIVE_MINUTES",
    "HOUR",
    "LONGEST_SILENCE",
    "MINUTE",
    "NANOS",
    "RECENT",
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "AlertRoute",
    "AlertRule",
    "Budget",
    "BudgetHold",
    "BudgetPeriod",
    "CheckDay",
    "CheckHistory",
    "CheckResult",
    "Heartbeat",
    "Incident",
    "IncidentAction",
    "IncidentEntry",
    "Leadership",
    "MetricPoint",
    "MetricSeries",
    "Reservation",
    "Severity",
    "Silence",
    "Status",
    "UsageRow",
    "next_start",
    "period_start",
]
