"""Pages of the console."""

from apps.backends.admin import profiles, records, routes

__all__ = ["profiles", "records", "routes"]
