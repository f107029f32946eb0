"""Console pages."""

from apps.backups.admin import delegates, jobs, pauses, places, restores, sets, staging

__all__ = ["delegates", "jobs", "pauses", "places", "restores", "sets", "staging"]
