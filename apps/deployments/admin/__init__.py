"""Pages of the console."""

from apps.deployments.admin import announcements, deployments, environments, experiments, flags, releases

__all__ = ["announcements", "deployments", "environments", "experiments", "flags", "releases"]
