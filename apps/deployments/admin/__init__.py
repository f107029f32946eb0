"""Pages of the console."""

from apps.deployments.admin import announcements, deployments, environments, releases

__all__ = ["announcements", "deployments", "environments", "releases"]
