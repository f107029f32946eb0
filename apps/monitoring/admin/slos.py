"""Objectives in the console: what is left of each budget, and how fast it burns."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from aiwriter.core.plots import Line
from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import Slo
from apps.monitoring.selectors.slos import burn_history, slo_for, standing
from apps.monitoring.services import slos as services
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of


@admin.register(Slo)
class SloAdmin(ServiceAdmin):
    """Objectives."""

    change_form_template = "admin/monitoring/slo.html"
    list_display = ("title", "goal", "reached", "left", "enabled")
    list_filter = ("source", "enabled")
    fields = ("slug", "title", "source", "label", "objective", "window_days", "slow_seconds", "least_bad", "enabled")

    def get_readonly_fields(self, request: HttpRequest, obj: Slo | None = None) -> tuple[str, ...]:
        """Its name stays."""
        return ("slug",) if obj else ()

    @admin.display(description=_("Objective"))
    def goal(self, slo: Slo) -> str:
        """What has to go well."""
        return f"{slo.objective:g} % / {slo.window_days} d"

    @admin.display(description=_("Reached"))
    def reached(self, slo: Slo) -> str:
        """What went well."""
        share = standing(slo, timezone.now()).share
        return "–" if share is None else f"{share:.3f} %"

    @admin.display(description=_("Budget left"))
    def left(self, slo: Slo) -> str:
        """What is left, with its colour."""
        stands = standing(slo, timezone.now())
        return state_mark(stands.look, f"{stands.left:.0f} %")

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, with how it stands above."""
        more = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            slo = slo_for(actor_of(request), object_id)
            now = timezone.now()
            stands = standing(slo, now)
            hours = burn_history(slo, now)
            limit = [(float(at), 1.0) for at, _burn in hours]
            more |= {
                "stands": stands,
                "mark": state_mark(stands.look, f"{stands.left:.0f} %"),
                "lines": [
                    Line(str(_("burn")), [(float(at), burn) for at, burn in hours]),
                    Line(str(_("just as fast as allowed")), limit),
                ],
                "hours": [(at, burn) for at, burn in reversed(hours) if burn],
            }
        return super().changeform_view(request, object_id, form_url, more)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Slo:
        """Set one."""
        return services.create_slo(actor=actor, **values)

    def change_row(self, actor: Actor, row: Slo, values: dict[str, Any]) -> None:
        """Change it."""
        services.update_slo(actor=actor, slo_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: Slo) -> None:
        """Remove it."""
        services.delete_slo(actor=actor, slo_id=row.pk)
