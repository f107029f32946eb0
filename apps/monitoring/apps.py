"""Django's view of the app."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Imports the tasks, so that every process can look their names up."""

    name = "apps.monitoring"
    label = "monitoring"

    def ready(self) -> None:
        """Register tasks."""
        from apps.monitoring import tasks  # noqa: F401
