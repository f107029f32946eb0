"""The operators' console: Django's admin with the portal's look."""

from django.contrib.admin.apps import SimpleAdminConfig

from aiwriter.core.process import is_pageless


class ConsoleConfig(SimpleAdminConfig):
    """Takes the place of `django.contrib.admin`."""

    default_site = "aiwriter.console.site.ConsoleSite"

    def ready(self) -> None:
        """Find the console's pages; where none are drawn, only when an address is asked for (`aiwriter.urls`)."""
        super().ready()
        if not is_pageless():
            from django.contrib import admin

            admin.autodiscover()
