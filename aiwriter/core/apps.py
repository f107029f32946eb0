"""Django's view of the kernel."""

from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    """Holds template tags and system checks; no models."""

    name = "aiwriter.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks; begin to look for errors."""
        from aiwriter.core import checks, crashes, error_reports  # noqa: F401

        crashes.watch_threads()
        if settings.SENTRY_DSN:
            error_reports.start(settings.SENTRY_DSN, settings.ENVIRONMENT)
