"""Pages of the console; Django's autodiscovery imports this package."""

from apps.users.admin import keys, ledger, people, privacy, records, signin, sso, workspaces

__all__ = ["keys", "ledger", "people", "privacy", "records", "signin", "sso", "workspaces"]
