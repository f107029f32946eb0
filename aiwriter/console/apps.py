"""The operators' console: Django's admin with the portal's look."""

from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """Takes the place of `django.contrib.admin`."""

    default_site = "aiwriter.console.site.ConsoleSite"
