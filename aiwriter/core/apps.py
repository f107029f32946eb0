"""Django's view of the kernel."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Holds template tags and system checks; no models."""

    name = "aiwriter.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks."""
        from aiwriter.core import checks  # noqa: F401
