"""Scale policies in the console, with what came of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.deployments.models import ScalePolicy
from apps.deployments.selectors import scaling as selectors
from apps.deployments.services import scaling as services
from apps.monitoring.admin.health import state_mark
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of

_SHOWN_EVENTS = 30


@admin.register(ScalePolicy)
class ScalePolicyAdmin(ServiceAdmin):
    """How many of a part run."""

    change_form_template = "admin/deployments/scale_policy.html"
    list_display = ("name", "look", "metric", "target", "range")
    list_select_related = ("environment", "environment__target")
    fields = ("environment", "part", *services.FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: ScalePolicy | None = None) -> tuple[str, ...]:
        """What it is about stays."""
        return ("environment", "part") if obj else ()

    @admin.display(description=gettext_lazy("Policy"), ordering="environment__title")
    def name(self, row: ScalePolicy) -> str:
        """Environment and part."""
        return str(row)

    @admin.display(description=gettext_lazy("State"))
    def look(self, row: ScalePolicy) -> str:
        """Whether anything comes of it."""
        target = getattr(row.environment, "target", None)
        if target is None or target.is_silent:
            return state_mark("fail", _("No agent reports"))
        if row.part not in selectors.bounds_of(row.environment):
            return state_mark("warn", _("The host does not allow it"))
        return state_mark("ok", _("Acts")) if row.acts else state_mark("unknown", _("Only tells"))

    @admin.display(description=gettext_lazy("How many"))
    def range(self, row: ScalePolicy) -> str:
        """Fewest and most."""
        return f"{row.minimum}–{row.maximum}"

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, below what runs and what was done."""
        more = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            actor = actor_of(request)
            policy = selectors.policy_for(actor, object_id)
            drawn = selectors.curve(policy)
            more |= {
                "policy": policy,
                "mark": self.look(policy),
                "bounds": selectors.bounds_of(policy.environment).get(policy.part),
                "plot_lines": drawn,
                "plot_from": dt.datetime.fromtimestamp(drawn[0].points[0][0], dt.UTC) if drawn else None,
                "plot_top": max((int(value or 0) for line in drawn for _, value in line.points), default=0),
                "latest": policy.environment.scale_samples.filter(part=policy.part).order_by("-at").first(),
                "events": list(selectors.events_for(actor, policy.environment_id, policy.part)[:_SHOWN_EVENTS]),
            }
        return super().changeform_view(request, object_id, form_url, more)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> ScalePolicy:
        """Set one."""
        return services.create_policy(actor=actor, environment_id=values.pop("environment").pk, **values)

    def change_row(self, actor: Actor, row: ScalePolicy, values: dict[str, Any]) -> None:
        """Change it."""
        services.update_policy(actor=actor, policy_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: ScalePolicy) -> None:
        """Remove it."""
        services.delete_policy(actor=actor, policy_id=row.pk)
