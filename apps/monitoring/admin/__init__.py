"""Pages of the console."""

from apps.monitoring.admin import alerts, channels, health, incidents, series, usage

__all__ = ["alerts", "channels", "health", "incidents", "series", "usage"]
