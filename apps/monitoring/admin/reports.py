"""Scheduled reports in the console: who gets them, what would be sent, and each one that was."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import ReportRun, ReportSchedule
from apps.monitoring.selectors.reports import run_for, schedule_for, told_of
from apps.monitoring.services import reports as services
from apps.monitoring.services.report_sending import as_text, days_of
from apps.users.admin.service_admin import ReadOnlyAdmin, ServiceAdmin, button
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of

_STATE = {"queued": "unknown", "running": "warn", "delivered": "ok", "failed": "fail"}


class ScheduleForm(forms.ModelForm):
    """Who gets what how often."""

    class Meta:
        model = ReportSchedule
        fields = ("name", "period", "hour", "people", "channels", "enabled")
        widgets = {"people": forms.CheckboxSelectMultiple, "channels": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "people" in self.fields:
            people = self.fields["people"]
            people.queryset = services.readers()  # type: ignore[attr-defined]


@admin.register(ReportSchedule)
class ReportScheduleAdmin(ServiceAdmin):
    """Schedules."""

    form = ScheduleForm
    change_form_template = "admin/monitoring/report_schedule.html"
    list_display = ("name", "period", "recipients", "next_at", "enabled")
    list_filter = ("period", "enabled")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With whom they go to."""
        return super().get_queryset(request).prefetch_related("people", "channels")

    @admin.display(description=_("Goes to"))
    def recipients(self, schedule: ReportSchedule) -> str:
        """Names."""
        return ", ".join([*map(str, schedule.people.all()), *(each.name for each in schedule.channels.all())][:6])

    def get_urls(self) -> list[URLPattern]:
        """With the preview and the button."""
        wrap = self.admin_site.admin_view
        own = [
            path("<uuid:report_schedule_id>/preview/", wrap(self.preview_view), name="monitoring_report_preview"),
            path("<uuid:report_schedule_id>/send/", wrap(self.send_view), name="monitoring_report_send"),
        ]
        return own + super().get_urls()

    def preview_view(self, request: HttpRequest, report_schedule_id: uuid.UUID) -> HttpResponse:
        """What would be sent now."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        actor = actor_of(request)
        schedule = schedule_for(actor, report_schedule_id)
        figures = services.preview(actor=actor, schedule_id=report_schedule_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Preview"),
            "schedule": schedule,
            "figures": figures,
            "days": days_of(figures),
            "text": as_text(schedule.name, figures),
            "may_send": self.has_change_permission(request, schedule),
        }
        return TemplateResponse(request, "admin/monitoring/report.html", context)

    def send_view(self, request: HttpRequest, report_schedule_id: uuid.UUID) -> HttpResponse:
        """Send it now."""

        def work(actor: Actor) -> str:
            services.send_report(actor=actor, schedule_id=report_schedule_id)
            return _("It goes out within half a minute; the list below Reports shows whom it reached.")

        return button(request, reverse("admin:monitoring_reportrun_changelist"), work)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> ReportSchedule:
        """Make one."""
        return services.create_schedule(actor=actor, **_with_ids(values))

    def change_row(self, actor: Actor, row: ReportSchedule, values: dict[str, Any]) -> None:
        """Change it."""
        services.update_schedule(actor=actor, schedule_id=row.pk, **_with_ids(values))

    def delete_row(self, actor: Actor, row: ReportSchedule) -> None:
        """Remove it."""
        services.delete_schedule(actor=actor, schedule_id=row.pk)


def _with_ids(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [row.pk for row in value] if name in ("people", "channels") else value for name, value in values.items()
    }


@admin.register(ReportRun)
class ReportRunAdmin(ReadOnlyAdmin):
    """What was sent."""

    list_display = ("schedule", "days", "look", "by_hand", "created_at", "finished_at", "error")
    list_filter = ("state", "schedule")
    list_select_related = ("schedule",)
    date_hierarchy = "created_at"
    show_full_result_count = False

    @admin.display(description=_("Of"), ordering="since")
    def days(self, run: ReportRun) -> str:
        """The first and the last day."""
        return days_of(run.figures)

    @admin.display(description=_("State"), ordering="state")
    def look(self, run: ReportRun) -> str:
        """The state with its colour."""
        return state_mark(_STATE[run.state], run.get_state_display())

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """All of one."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        run = run_for(actor_of(request), object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(run.schedule),
            "schedule": run.schedule,
            "run": run,
            "mark": self.look(run),
            "told": [(each, state_mark("ok" if each.ok else "fail", "")) for each in told_of(run)],
            "figures": run.figures,
            "days": days_of(run.figures),
            "text": as_text(run.schedule.name, run.figures),
        }
        return TemplateResponse(request, "admin/monitoring/report.html", context)
