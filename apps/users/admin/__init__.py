"""Pages of the console; Django's autodiscovery imports this package."""

from apps.users.admin import people, records, workspaces

__all__ = ["people", "records", "workspaces"]
