"""Pages of the console."""

from apps.backends.admin import profiles, records, residency, routes

__all__ = ["profiles", "records", "residency", "routes"]
