"""Pages of the console."""

from apps.monitoring.admin import (
    alerts,
    anomalies,
    captures,
    channels,
    errors,
    expected_runs,
    health,
    incidents,
    logs,
    reports,
    series,
    slos,
    usage,
)

__all__ = [
    "alerts",
    "anomalies",
    "captures",
    "channels",
    "errors",
    "expected_runs",
    "health",
    "incidents",
    "logs",
    "reports",
    "series",
    "slos",
    "usage",
]
