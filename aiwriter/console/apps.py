"""The operators' console: Django's admin with the portal's look."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class ConsoleConfig(SimpleAdminConfig):
    """Takes the place of `django.contrib.admin`. Its pages are found by whoever asks for them: `aiwriter.urls`, and the checks.

    They import nearly all that the portal is, and a command, a worker or the scheduler draws no page: a command starts with half
    the processor time (0.9 s instead of 1.6 s).
    """

    default_site = "aiwriter.console.site.ConsoleSite"

    def ready(self) -> None:
        """Register Django's checks of the console; in place of its own, which would look at no page that is not found yet."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Every page of the console, found now if it has not been."""
    autodiscover()
    return check_admin_app(app_configs, **kwargs)
