"""Health in the console: read only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html

from apps.monitoring.models import CheckHistory, CheckResult, Heartbeat
from apps.monitoring.services.checks import registry
from apps.users.admin.service_admin import ReadOnlyAdmin


@admin.register(CheckResult)
class CheckResultAdmin(ReadOnlyAdmin):
    """Newest results."""

    list_display = ("title", "node", "state", "message", "latency_ms", "checked_at")
    list_filter = ("status", "node")
    search_fields = ("key", "message")
    readonly_fields = (
        "title",
        "node",
        "state",
        "message",
        "remedy",
        "figures",
        "latency_ms",
        "since",
        "checked_at",
        "valid_until",
    )
    fields = readonly_fields

    @admin.display(description="Check", ordering="key")
    def title(self, row: CheckResult) -> str:
        """The check's title."""
        return next((check.title for check in registry() if check.key == row.key), row.key)

    @admin.display(description="Status", ordering="status")
    def state(self, row: CheckResult) -> str:
        """The status that counts now: an expired result is unknown."""
        status = row.effective_status
        return format_html('<span class="state state-{}">{}</span>', status, status)

    @admin.display(description="Figures")
    def figures(self, row: CheckResult) -> str:
        """The check's data, one figure a line."""
        return "\n".join(f"{name}: {value:,}" for name, value in row.data.items()) or "–"


@admin.register(CheckHistory)
class CheckHistoryAdmin(ReadOnlyAdmin):
    """The past."""

    list_display = ("checked_at", "key", "node", "status", "message", "latency_ms")
    list_filter = ("key", "status", "node")
    date_hierarchy = "checked_at"
    show_full_result_count = False


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """Signs of life."""

    list_display = ("part", "node", "beat_at")
