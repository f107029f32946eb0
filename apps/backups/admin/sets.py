"""Sets in the console: how things stand, what there is, and the buttons that make, check and rehearse."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from aiwriter.core.plots import Bar
from apps.backups.admin.delegates import LOOKS as DELEGATE_LOOKS
from apps.backups.admin.jobs import button
from apps.backups.models import BackupSet, Drill
from apps.backups.selectors.delegates import delegates_for
from apps.backups.selectors.destinations import chosen_destination, policies_for
from apps.backups.selectors.sets import drills_for, get_set
from apps.backups.selectors.status import status_of
from apps.backups.services import backups, drills, moments, schedules, upkeep
from apps.users.admin.service_admin import ReadOnlyAdmin
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

LOOKS = {
    "drilled": "ok",
    "verified": "ok",
    "committed": "unknown",
    "incomplete": "warn",
    "suspicious": "fail",
    "damaged": "fail",
}
_PLOTTED = 20


@admin.register(BackupSet)
class BackupSetAdmin(ReadOnlyAdmin):
    """Sets, below the state of all backups."""

    change_list_template = "admin/backups/sets.html"
    list_display = ("created_at", "look", "destination", "source", "added", "rows", "files", "pin", "problem")
    list_filter = ("state", "destination")
    search_fields = ("name", "pin")
    list_select_related = ("destination",)
    date_hierarchy = "created_at"
    actions = None

    @admin.display(description=_("State"), ordering="state")
    def look(self, row: BackupSet) -> str:
        """The state with its colour."""
        return format_html('<span class="state state-{}">{}</span>', LOOKS[row.state], row.get_state_display())

    @admin.display(description=_("Restores to"), ordering="bytes_source")
    def source(self, row: BackupSet) -> str:
        """Bytes that it restores to."""
        return filesizeformat(row.bytes_source)

    @admin.display(description=_("Added"), ordering="bytes_added")
    def added(self, row: BackupSet) -> str:
        """Bytes by which the repository grew."""
        return filesizeformat(row.bytes_added)

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path("start/<slug:action>/", wrap(self.start_view), name="backups_start"),
            path("<uuid:set_id>/pin/", wrap(self.pin_view), name="backups_set_pin"),
            path("<uuid:set_id>/accept/", wrap(self.accept_view), name="backups_set_accept"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """How things stand, then the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        status = status_of(actor)
        rehearsed = list(
            drills_for(actor).filter(state="succeeded", rto_seconds__isnull=False, delegate=None)[:_PLOTTED]
        )[::-1]
        policy = policies_for(actor).filter(enabled=True, destination__enabled=True).first()
        own = {
            "status": status,
            "capture": moments.present_capture(),
            "may_run": can(actor, "backups.run"),
            "may_restore": can(actor, "backups.restore"),
            "drills": rehearsed[::-1][:6],
            "rto_bars": _bars(rehearsed, "rto"),
            "rpo_bars": _bars(rehearsed, "rpo"),
            "delegates": [(row, DELEGATE_LOOKS[row.state]) for row in delegates_for(actor)],
            "policy": policy,
            "next_backup": schedules.next_backup(policy) if policy else None,
        }
        return super().changelist_view(request, {**(extra_context or {}), **own})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What is known of a set, and what can be done with it."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        actor = actor_of(request)
        row = get_set(actor=actor, set_id=object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(row),
            "row": row,
            "look": LOOKS[row.state],
            "may_run": can(actor, "backups.run"),
            "may_restore": can(actor, "backups.restore"),
        }
        return TemplateResponse(request, "admin/backups/set.html", context)

    def start_view(self, request: HttpRequest, action: str) -> HttpResponse:
        """Make a backup, a check or a drill of the first place."""

        def work(actor: Actor) -> None:
            place = chosen_destination(actor=actor, named=request.POST.get("destination", ""))
            if action == "drill":
                drills.start_drill(actor=actor, destination_id=place.pk)
            elif action == "backup":
                backups.start_backup(actor=actor, destination_id=place.pk)
            else:
                upkeep.start_upkeep(actor=actor, destination_id=place.pk, action=action)
            messages.success(request, _("It has been started."))

        kind = "drill" if action == "drill" else "backuprun"
        return button(request, reverse(f"admin:backups_{kind}_changelist"), work)

    def pin_view(self, request: HttpRequest, set_id: uuid.UUID) -> HttpResponse:
        """Pin or unpin a set."""
        back = reverse("admin:backups_backupset_change", args=[set_id])
        pin = request.POST.get("pin", "")

        def work(actor: Actor) -> None:
            upkeep.pin_set(actor=actor, set_id=set_id, pin=pin)
            messages.success(request, _("The set is kept.") if pin else _("The pin is gone."))

        return button(request, back, work)

    def accept_view(self, request: HttpRequest, set_id: uuid.UUID) -> HttpResponse:
        """Say that a suspicious set is right."""
        back = reverse("admin:backups_backupset_change", args=[set_id])
        return button(request, back, lambda actor: _accept(actor, set_id))


def _accept(actor: Actor, set_id: uuid.UUID) -> None:
    upkeep.accept_set(actor=actor, set_id=set_id)


def _bars(rehearsed: list[Drill], kind: str) -> list[Bar]:
    """A column for each drill, at the right; one that broke the promise stands out."""
    found = [_bar(drill, getattr(drill, f"{kind}_seconds"), _promised(drill, kind)) for drill in rehearsed]
    return [*[Bar("", 0)] * (_PLOTTED - len(found)), *found]


def _bar(drill: Drill, seconds: float | None, promised: float | None) -> Bar:
    value = round(seconds or 0)
    label = f"{drill.created_at:%Y-%m-%d}"
    broken = promised is not None and value > promised
    return Bar(label, 0 if broken else value, value if broken else 0)


def _promised(drill: Drill, kind: str) -> float | None:
    if drill.policy is None:
        return None
    return (drill.policy.rto_minutes if kind == "rto" else drill.policy.rpo_minutes) * 60.0
