"""The console's admin site."""

from django.contrib import admin


class ConsoleSite(admin.AdminSite):
    """Stock Django admin with the portal's sign-in, look and home page."""

    site_header = "AI-Writer console"
    site_title = "AI-Writer"
    index_title = "Console"
