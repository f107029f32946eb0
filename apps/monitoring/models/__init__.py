"""Tables of health, figures, alerts, usage and budgets."""

from apps.monitoring.models.alerts import LONGEST_SILENCE, Alert, AlertRule, Leadership, Severity, Silence
from apps.monitoring.models.anomalies import Anomaly
from apps.monitoring.models.channels import AlertChannel, AlertDelivery, AlertRoute
from apps.monitoring.models.errors import ErrorDay, ErrorGroup, ErrorIntake, ErrorSample
from apps.monitoring.models.expected_runs import ExpectedRun, RunReport
from apps.monitoring.models.health import RECENT, CheckDay, CheckHistory, CheckResult, Heartbeat, Status
from apps.monitoring.models.incidents import Incident, IncidentAction, IncidentEntry
from apps.monitoring.models.logs import DebugCapture, LogQuery
from apps.monitoring.models.reports import ReportRun, ReportSchedule
from apps.monitoring.models.series import FIVE_MINUTES, HOUR, MINUTE, MetricPoint, MetricSeries
from apps.monitoring.models.slos import Slo
from apps.monitoring.models.usage import (
    NANOS,
    Budget,
    BudgetHold,
    BudgetPeriod,
    Reservation,
    UsageHour,
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
    "Anomaly",
    "Budget",
    "BudgetHold",
    "BudgetPeriod",
    "CheckDay",
    "CheckHistory",
    "CheckResult",
    "DebugCapture",
    "ErrorDay",
    "ErrorGroup",
    "ErrorIntake",
    "ErrorSample",
    "ExpectedRun",
    "Heartbeat",
    "Incident",
    "IncidentAction",
    "IncidentEntry",
    "Leadership",
    "LogQuery",
    "MetricPoint",
    "MetricSeries",
    "ReportRun",
    "ReportSchedule",
    "Reservation",
    "RunReport",
    "Severity",
    "Silence",
    "Slo",
    "Status",
    "UsageHour",
    "UsageRow",
    "next_start",
    "period_start",
]
