"""Debug captures in the console."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import orjson
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import DebugCapture
from apps.monitoring.selectors.captures import capture_for
from apps.monitoring.services import captures as services
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

LOOKS = {"asked": "warn", "running": "fail", "ended": "warn", "refused": "unknown", "destroyed": "ok"}


class CaptureForm(forms.ModelForm):
    """Whom or what, why, how long."""

    class Meta:
        model = DebugCapture
        fields = ("user_id", "request_id", "reason", "minutes")
        labels = {
            "user_id": gettext_lazy("Account's id"),
            "request_id": gettext_lazy("Or request's id"),
            "minutes": gettext_lazy("Minutes (15 at most)"),
        }


@admin.register(DebugCapture)
class DebugCaptureAdmin(ServiceAdmin):
    """Captures."""

    form = CaptureForm
    list_display = ("look", "reason", "about", "asked_by", "asked_at", "decided_by", "ends_at")
    list_display_links = ("reason",)
    list_filter = ("state",)

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def look(self, row: DebugCapture) -> str:
        """The state with its colour."""
        return state_mark(LOOKS[row.state], row.get_state_display())

    @admin.display(description=gettext_lazy("About"))
    def about(self, row: DebugCapture) -> str:
        """Whom or what."""
        return row.subject

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<uuid:capture_id>/{name}/", wrap(view), name=f"monitoring_capture_{name}")
            for name, view in (
                ("approve", self.approve_view),
                ("refuse", self.refuse_view),
                ("end", self.end_view),
                ("destroy", self.destroy_view),
            )
        ]
        return own + super().get_urls()

    def add_row(self, actor: Actor, values: dict[str, Any]) -> DebugCapture:
        """Ask for one."""
        return services.ask_capture(actor=actor, **values)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page; a new one is a form."""
        if object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        may = can(actor, "monitoring.manage")
        row = capture_for(actor, object_id)
        lines = services.read_capture(actor=actor, capture_id=row.pk) if may else []
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Debug capture"),
            "row": row,
            "mark": self.look(row),
            "lines": [orjson.loads(line) for line in lines],
            "may_manage": may,
            "may_decide": may and row.state == "asked" and row.asked_by_id != actor.user_id,
        }
        return TemplateResponse(request, "admin/monitoring/capture.html", context)

    def approve_view(self, request: HttpRequest, capture_id: uuid.UUID) -> HttpResponse:
        """Agree."""
        return _press(request, capture_id, services.decide_capture, _("It runs."), agree=True)

    def refuse_view(self, request: HttpRequest, capture_id: uuid.UUID) -> HttpResponse:
        """Refuse."""
        return _press(request, capture_id, services.decide_capture, _("It is refused."), agree=False)

    def end_view(self, request: HttpRequest, capture_id: uuid.UUID) -> HttpResponse:
        """End it."""
        return _press(request, capture_id, services.end_capture, _("It has ended."))

    def destroy_view(self, request: HttpRequest, capture_id: uuid.UUID) -> HttpResponse:
        """Destroy what was captured."""
        said = _("It is destroyed within seconds; the receipt stands in the record.")
        return _press(request, capture_id, services.end_capture, said, destroy=True)


def _press(
    request: HttpRequest, capture_id: uuid.UUID, service: Callable[..., object], said: str, **more: bool
) -> HttpResponse:
    def work(actor: Actor) -> str:
        service(actor=actor, capture_id=capture_id, **more)
        return said

    return button(request, reverse("admin:monitoring_debugcapture_change", args=[capture_id]), work)
