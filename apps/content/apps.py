"""Django's view of the app."""

from django.apps import AppConfig


class ContentConfig(AppConfig):
    """Imports the tasks, so that every process can look their names up."""

    name = "apps.content"
    label = "content"

    def ready(self) -> None:
        """Register tasks."""
        from apps.content import tasks  # noqa: F401
