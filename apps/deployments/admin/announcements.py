"""Announcements in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from apps.deployments.models import Announcement
from apps.deployments.services import announcements as services
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor


@admin.register(Announcement)
class AnnouncementAdmin(ServiceAdmin):
    """What stands above the pages."""

    list_display = ("text", "audience", "starts_at", "ends_at", "author")
    list_filter = ("audience",)
    fields = ("audience", "text", "link", "starts_at", "ends_at")

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Announcement:
        """Tell people something."""
        return services.announce(actor=actor, **values)

    def delete_row(self, actor: Actor, row: Announcement) -> None:
        """Take it down."""
        services.take_down(actor=actor, announcement_id=row.pk)
