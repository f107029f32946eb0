"""Django's view of the kernel."""

import gc

from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    """Holds template tags and system checks; no models."""

    name = "aiwriter.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks; begin to look for errors; let the collector work, on what comes from now on."""
        from aiwriter.core import checks, crashes, error_reports  # noqa: F401

        # What importing has made lives as long as the process. Walking through it again and again takes a seventh of the start
        # and makes each later collection long.
        gc.freeze()
        # A request makes 10,000 objects and leaves hardly a cycle: Python would look for one fourteen times.
        gc.set_threshold(20_000, 10, 10)
        gc.enable()
        crashes.watch_threads()
        if settings.SENTRY_DSN:
            error_reports.start(settings.SENTRY_DSN, settings.ENVIRONMENT)
