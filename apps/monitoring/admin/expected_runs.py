"""Heartbeats from outside in the console."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import ExpectedRun
from apps.monitoring.selectors.expected_runs import expected_run_for, reports_of
from apps.monitoring.services import expected_runs as services
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of

LOOKS = {
    "new": "unknown",
    "up": "ok",
    "running": "ok",
    "late": "warn",
    "missing": "fail",
    "failing": "fail",
    "paused": "unknown",
}
_SHOWN = 30


@admin.register(ExpectedRun)
class ExpectedRunAdmin(ServiceAdmin):
    """What has to report."""

    change_form_template = "admin/monitoring/expected_run.html"
    list_display = ("title", "look", "expected", "reported_at", "exit_code")
    fields = ("slug", "title", "period_seconds", "cron", "grace_seconds", "enabled")

    def get_readonly_fields(self, request: HttpRequest, obj: ExpectedRun | None = None) -> tuple[str, ...]:
        """Its name stays: jobs report to it."""
        return ("slug",) if obj else ()

    @admin.display(description=_("State"))
    def look(self, run: ExpectedRun) -> str:
        """The state with its colour."""
        state = run.state
        return state_mark(LOOKS[state], str(ExpectedRun.State(state).label))

    @admin.display(description=_("Expected"))
    def expected(self, run: ExpectedRun) -> str:
        """When."""
        return run.cron or _("every %(seconds)s s") % {"seconds": run.period_seconds}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, with the last reports and the words to report with above."""
        more = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            run = expected_run_for(actor_of(request), object_id)
            more |= {
                "run": run,
                "mark": self.look(run),
                "reports": reports_of(run)[:_SHOWN],
                "address": f"{settings.PUBLIC_URL}/api/v1/heartbeats/{run.slug}",
            }
        return super().changeform_view(request, object_id, form_url, more)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> ExpectedRun:
        """Expect one."""
        return services.create_expected_run(actor=actor, **values)

    def change_row(self, actor: Actor, row: ExpectedRun, values: dict[str, Any]) -> None:
        """Change it."""
        services.update_expected_run(actor=actor, run_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: ExpectedRun) -> None:
        """Expect it no longer."""
        services.delete_expected_run(actor=actor, run_id=row.pk)
