"""Console pages."""

from apps.backups.admin import jobs, pauses, places, restores, sets, staging

__all__ = ["jobs", "pauses", "places", "restores", "sets", "staging"]
