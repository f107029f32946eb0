"""Django's view of the app."""

from django.apps import AppConfig


class BackendsConfig(AppConfig):
    """Imports the tasks, so that every process can look their names up."""

    name = "apps.backends"
    label = "backends"

    def ready(self) -> None:
        """Register tasks."""
        from apps.backends import tasks  # noqa: F401
