"""Pages of the console."""

from apps.monitoring.admin import (
    alerts,
    captures,
    channels,
    errors,
    expected_runs,
    health,
    incidents,
    logs,
    series,
    slos,
    usage,
)

__all__ = [
    "alerts",
    "captures",
    "channels",
    "errors",
    "expected_runs",
    "health",
    "incidents",
    "logs",
    "series",
    "slos",
    "usage",
]
