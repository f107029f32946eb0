"""The error inbox in the console."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from aiwriter.core.plots import Bar
from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import ErrorGroup
from apps.monitoring.selectors.errors import days_of, error_for, samples_of
from apps.monitoring.services import errors as services
from apps.users.admin.service_admin import ReadOnlyAdmin, button
from apps.users.selectors.access import can
from apps.users.selectors.callers import actor_of

LOOKS = {"open": "fail", "resolved": "ok", "ignored": "unknown"}
_SHOWN = 10


def error_mark(group: ErrorGroup) -> str:
    """A kind's state with its colour."""
    words = _("Came again") if group.came_again else group.get_state_display()
    return state_mark(LOOKS[group.state], words)


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnlyAdmin):
    """Kinds of errors."""

    list_display = ("look", "kind", "text", "place", "count", "parts", "last_seen_at")
    list_display_links = ("kind",)
    list_filter = ("state", "came_again", "last_release")
    search_fields = ("kind", "text", "place")
    show_full_result_count = False

    @admin.display(description=_("State"), ordering="state")
    def look(self, group: ErrorGroup) -> str:
        """The state with its colour."""
        return error_mark(group)

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<uuid:error_id>/{name}/", wrap(view), name=f"monitoring_error_{name}")
            for name, view in (
                ("resolve", self.resolve_view),
                ("ignore", self.ignore_view),
                ("reopen", self.reopen_view),
            )
        ]
        return own + super().get_urls()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """All that is known of a kind."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        actor = actor_of(request)
        group = error_for(actor, object_id)
        days = days_of(group)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": group.kind,
            "group": group,
            "mark": error_mark(group),
            "bars": [Bar(f"{day:%Y-%m-%d}", 0, count) for day, count in days],
            "days": [(day, count) for day, count in reversed(days) if count],
            "samples": samples_of(group)[:_SHOWN],
            "may_manage": can(actor, "monitoring.manage"),
            "may_audit": can(actor, "audit.read"),
        }
        return TemplateResponse(request, "admin/monitoring/error.html", context)

    def resolve_view(self, request: HttpRequest, error_id: uuid.UUID) -> HttpResponse:
        """It is mended."""
        return _press(request, error_id, services.resolve, _("It opens by itself should it come again."))

    def ignore_view(self, request: HttpRequest, error_id: uuid.UUID) -> HttpResponse:
        """Nobody wants to know."""
        return _press(request, error_id, services.ignore, _("It is counted on; nobody is told."))

    def reopen_view(self, request: HttpRequest, error_id: uuid.UUID) -> HttpResponse:
        """It is still to be mended."""
        return _press(request, error_id, services.reopen, _("It is open."))


def _press(request: HttpRequest, error_id: uuid.UUID, service: Callable[..., object], said: str) -> HttpResponse:
    def work(actor: Any) -> str:
        service(actor=actor, error_id=error_id)
        return said

    return button(request, reverse("admin:monitoring_errorgroup_change", args=[error_id]), work)
