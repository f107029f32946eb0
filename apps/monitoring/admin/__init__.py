"""Pages of the console."""

from apps.monitoring.admin import health, usage

__all__ = ["health", "usage"]
