"""Maintenance in the console: close and open the portal, decide on what a restore holds back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from apps.backups.admin.jobs import button
from apps.backups.models import Pause
from apps.backups.selectors.pauses import pause_for, waiting_for
from apps.backups.services import pauses
from apps.users.admin.service_admin import ReadOnlyAdmin
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    """One page in the place of a list: there is one row."""

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        own = path("set/<slug:action>/", self.admin_site.admin_view(self.set_view), name="backups_pause_set")
        return [own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """How it is, and what can be done."""
        actor = actor_of(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Maintenance"),
            "row": pause_for(actor),
            "waiting": waiting_for(actor),
            "may_manage": can(actor, "jobs.manage"),
            "may_arm": can(actor, "backups.restore"),
        }
        return TemplateResponse(request, "admin/backups/maintenance.html", context)

    def set_view(self, request: HttpRequest, action: str) -> HttpResponse:
        """Close, open, let go, throw away."""

        def work(actor: Actor) -> None:
            if action == "begin":
                pauses.begin_maintenance(actor=actor, message=request.POST.get("message", ""))
                messages.success(request, _("The portal is closed."))
            elif action == "end":
                pauses.end_maintenance(actor=actor)
                messages.success(request, _("The portal is open."))
            else:
                gone = pauses.arm_outside(actor=actor, discard=action == "discard")
                messages.success(request, _("%d were thrown away.") % gone if gone else _("What waited goes out now."))

        return button(request, reverse("admin:backups_pause_changelist"), work)
