"""Console pages."""

from apps.backups.admin import jobs, places, restores, sets, staging

__all__ = ["jobs", "places", "restores", "sets", "staging"]
