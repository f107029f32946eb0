"""Experiments in the console: how far they are, what may be said, how they end."""

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

from apps.deployments.models import Experiment
from apps.deployments.selectors import experiments as selectors
from apps.deployments.selectors.flag_curves import exposed
from apps.deployments.services import experiments as services
from apps.monitoring.admin.health import state_mark
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

VERDICTS = {
    "collecting": ("unknown", gettext_lazy("No verdict yet")),
    "refused": ("fail", gettext_lazy("Verdict refused")),
    "better": ("ok", gettext_lazy("Better")),
    "worse": ("fail", gettext_lazy("Worse")),
    "inconclusive": ("warn", gettext_lazy("Inconclusive")),
}


@admin.register(Experiment)
class ExperimentAdmin(ServiceAdmin):
    """Comparisons of two variants."""

    list_display = ("title", "flag", "look", "metric", "planned", "author", "started_at")
    list_filter = ("state", "metric")
    list_select_related = ("flag",)
    search_fields = ("title", "flag__key")
    date_hierarchy = "started_at"

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def look(self, row: Experiment) -> str:
        """The verdict once it stands."""
        if row.result:
            look, words = VERDICTS[row.result["verdict"]]
            return state_mark(look, str(words))
        return state_mark("unknown", str(row.get_state_display()))

    def get_urls(self) -> list[URLPattern]:
        """With the button."""
        view = self.admin_site.admin_view(self.end_view)
        return [path("<uuid:experiment_id>/end/", view, name="deployments_experiment_end"), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page; an experiment begins on its flag's page."""
        if object_id is None or request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        row = selectors.experiment_for(actor, object_id)
        found = selectors.standing(row)
        look, words = VERDICTS[found.verdict]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": row.title,
            "row": row,
            "found": found,
            "mark": state_mark(look, str(words)),
            "sides": [(side, 100 * side.share) for side in (found.control, found.treatment)],
            "curves": exposed(row),
            "baseline": 100 * row.baseline,
            "effect": 100 * row.effect,
            "variants": list(row.flag.variants),
            "may_run": can(actor, "deployments.run") and row.state in Experiment.OPEN,
        }
        return TemplateResponse(request, "admin/deployments/experiment.html", context)

    def end_view(self, request: HttpRequest, experiment_id: uuid.UUID) -> HttpResponse:
        """End it."""

        def work(actor: Actor) -> str:
            services.end_experiment(
                actor=actor,
                experiment_id=experiment_id,
                keep=request.POST.get("keep", ""),
                reason=request.POST.get("reason", ""),
            )
            return _("It has ended.")

        return button(request, reverse("admin:deployments_experiment_change", args=[experiment_id]), work)
