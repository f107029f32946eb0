"""Pages of the console."""

from apps.deployments.admin import announcements, deployments, environments, experiments, flags, releases, scaling

__all__ = ["announcements", "deployments", "environments", "experiments", "flags", "releases", "scaling"]
