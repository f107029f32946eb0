"""Unusual activity in the console, for auditors."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import Anomaly
from apps.monitoring.selectors.anomalies import anomaly_for
from apps.monitoring.services import anomalies as services
from apps.users.admin.service_admin import ReadOnlyAdmin, button
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of


@admin.register(Anomaly)
class AnomalyAdmin(ReadOnlyAdmin):
    """Findings."""

    list_display = ("look", "kind", "value", "usual", "begins_at", "seen_by", "note")
    list_display_links = ("kind",)
    list_filter = ("kind", ("seen_at", admin.EmptyFieldListFilter))
    date_hierarchy = "found_at"

    @admin.display(description=gettext_lazy("State"))
    def look(self, row: Anomaly) -> str:
        """Whether somebody has looked."""
        return state_mark("ok", _("seen")) if row.seen_at else state_mark("warn", _("new"))

    def get_urls(self) -> list[URLPattern]:
        """With the form."""
        own = path(
            "<uuid:anomaly_id>/seen/", self.admin_site.admin_view(self.seen_view), name="monitoring_anomaly_seen"
        )
        return [own, *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One finding with the way to the record."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        row = anomaly_for(actor_of(request), object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": row.get_kind_display(),
            "row": row,
            "mark": self.look(row),
            "person": User.objects.filter(pk=row.user_id).values_list("email", flat=True).first(),
        }
        return TemplateResponse(request, "admin/monitoring/anomaly.html", context)

    def seen_view(self, request: HttpRequest, anomaly_id: uuid.UUID) -> HttpResponse:
        """Somebody has looked."""
        note = request.POST.get("note", "")

        def work(actor: Actor) -> str:
            services.mark_seen(actor=actor, anomaly_id=anomaly_id, note=note)
            return _("It is noted.")

        return button(request, reverse("admin:monitoring_anomaly_change", args=[anomaly_id]), work)
