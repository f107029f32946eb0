"""Incidents in the console: one page to work on, from the first alert to the review."""

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

from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import Incident
from apps.monitoring.selectors.incidents import incident_for, timeline
from apps.monitoring.services import incidents as services
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

LOOKS = {"open": "fail", "watched": "warn", "resolved": "ok"}


@admin.register(Incident)
class IncidentAdmin(ServiceAdmin):
    """Incidents."""

    list_display = ("look", "title", "severity", "lead", "opened_at", "resolved_at", "reviewed")
    list_display_links = ("title",)
    list_filter = ("state", "severity", "by_alert")
    search_fields = ("title",)
    date_hierarchy = "opened_at"
    fields = ("title", "severity")

    @admin.display(description=_("State"), ordering="state")
    def look(self, incident: Incident) -> str:
        """The state with its colour."""
        return state_mark(LOOKS[incident.state], incident.get_state_display())

    @admin.display(description=_("Reviewed"), boolean=True)
    def reviewed(self, incident: Incident) -> bool:
        """Whether somebody wrote what was learnt."""
        return incident.reviewed_at is not None

    def get_urls(self) -> list[URLPattern]:
        """With the forms of the page."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<uuid:incident_id>/{name}/", wrap(view), name=f"monitoring_incident_{name}")
            for name, view in (
                ("say", self.say_view),
                ("update", self.update_view),
                ("review", self.review_view),
                ("done", self.done_view),
            )
        ]
        return own + super().get_urls()

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Incident:
        """Open one by hand."""
        return services.open_incident(actor=actor, **values)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page; a new one is a form of two fields."""
        if object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if request.method != "GET":
            raise PermissionDenied
        actor = actor_of(request)
        incident = incident_for(actor, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": incident.title,
            "incident": incident,
            "mark": state_mark(LOOKS[incident.state], incident.get_state_display()),
            "timeline": timeline(incident),
            "alerts": incident.alerts.all(),
            "actions": incident.actions.all(),
            "states": Incident.State.choices,
            "severities": Incident.Severity.choices,
            "may_manage": can(actor, "monitoring.manage"),
            "me": actor.label,
        }
        return TemplateResponse(request, "admin/monitoring/incident.html", context)

    def say_view(self, request: HttpRequest, incident_id: uuid.UUID) -> HttpResponse:
        """Add a line."""
        text, public = request.POST.get("text", ""), request.POST.get("public") == "on"
        return _form(
            request,
            incident_id,
            lambda actor: services.add_entry(actor=actor, incident_id=incident_id, text=text, public=public),
        )

    def update_view(self, request: HttpRequest, incident_id: uuid.UUID) -> HttpResponse:
        """Change state, severity, lead."""
        values = {name: request.POST[name] for name in ("state", "severity", "lead") if name in request.POST}
        return _form(
            request,
            incident_id,
            lambda actor: services.update_incident(actor=actor, incident_id=incident_id, **values),
        )

    def review_view(self, request: HttpRequest, incident_id: uuid.UUID) -> HttpResponse:
        """Write the review; a line of actions each."""
        review = request.POST.get("review", "")
        lines = [line.strip() for line in request.POST.get("actions", "").splitlines() if line.strip()]
        return _form(
            request,
            incident_id,
            lambda actor: services.write_review(
                actor=actor, incident_id=incident_id, review=review, actions=[(line, "") for line in lines]
            ),
        )

    def done_view(self, request: HttpRequest, incident_id: uuid.UUID) -> HttpResponse:
        """An action is done."""
        number = request.POST.get("action", "")
        return _form(
            request,
            incident_id,
            lambda actor: services.finish_action(
                actor=actor,
                incident_id=incident_id,
                action_id=int(number) if number.isdecimal() and len(number) < 16 else 0,
            ),
        )


def _form(request: HttpRequest, incident_id: uuid.UUID, work: Callable[[Actor], object]) -> HttpResponse:
    def quietly(actor: Actor) -> None:
        work(actor)

    return button(request, reverse("admin:monitoring_incident_change", args=[incident_id]), quietly)
