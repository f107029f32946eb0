"""Backups of other tools in the console."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError
from apps.backups.admin.jobs import button
from apps.backups.models import Delegate
from apps.backups.services import delegate_drills, delegates
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

LOOKS = {"ok": "ok", "overdue": "fail", "failed": "fail", "unknown": "unknown"}


class DelegateForm(ModelForm):
    """With labels that say what is meant."""

    class Meta:
        model = Delegate
        fields = delegates.FIELDS
        labels = {
            "source": gettext_lazy("Stanza, server or cluster"),
            "config": gettext_lazy("Configuration file, or where the list is"),
            "token_ref": gettext_lazy("Token of the Kubernetes API"),
            "role": gettext_lazy("Superuser for drills"),
            "gate": gettext_lazy("Counts for the check of backups"),
            "max_age_hours": gettext_lazy("Oldest that is right, hours"),
            "drill_days": gettext_lazy("Days between drills"),
        }

    def clean(self) -> dict[str, Any]:
        """Say at the field what the service would refuse, so that nothing that was typed is lost."""
        values = super().clean() or self.cleaned_data
        try:
            delegates.set_values(
                copy.copy(self.instance), {name: values[name] for name in delegates.FIELDS if name in values}
            )
        except AppError as error:
            field = "token_ref" if error.field == "secret" else error.field
            self.add_error(field if field in self.fields else None, str(error))
        return values


@admin.register(Delegate)
class DelegateAdmin(ServiceAdmin):
    """What is watched."""

    form = DelegateForm
    change_form_template = "admin/backups/delegate.html"
    list_display = ("name", "tool", "look", "newest_at", "looked_at", "problem", "enabled")
    actions = None
    fieldsets = (
        (None, {"fields": ("name", "tool", "source", "config", "enabled")}),
        (gettext_lazy("What is right"), {"fields": ("max_age_hours", "gate")}),
        (gettext_lazy("Drills"), {"fields": ("drill_days", "role")}),
        (gettext_lazy("CloudNativePG"), {"fields": ("token_ref",)}),
    )

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def look(self, row: Delegate) -> str:
        """The state with its colour."""
        return format_html('<span class="state state-{}">{}</span>', LOOKS[row.state], row.get_state_display())

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:delegate_id>/look/", wrap(self.look_view), name="backups_delegate_look"),
            path("<uuid:delegate_id>/drill/", wrap(self.drill_view), name="backups_delegate_drill"),
            *super().get_urls(),
        ]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With what the tool said."""
        row = kwargs.get("obj")
        if row is not None:
            context["row"] = row
            context["look"] = LOOKS[row.state]
            context["copies"] = [{**each, "at": parse_datetime(each["finished"] or "")} for each in row.sets]
            context["drills"] = list(row.drills.all()[:5])
            context["may_run"] = can(actor_of(request), "backups.run")
        return super().render_change_form(request, context, *args, **kwargs)

    def look_view(self, request: HttpRequest, delegate_id: uuid.UUID) -> HttpResponse:
        """Ask the tool now."""
        back = reverse("admin:backups_delegate_change", args=[delegate_id])
        return button(request, back, lambda actor: self._look(actor, delegate_id))

    @staticmethod
    def _look(actor: Actor, delegate_id: uuid.UUID) -> None:
        delegates.look_now(actor=actor, delegate_id=delegate_id)

    def drill_view(self, request: HttpRequest, delegate_id: uuid.UUID) -> HttpResponse:
        """Restore its newest backup for practice."""
        back = reverse("admin:backups_delegate_change", args=[delegate_id])

        def work(actor: Actor) -> None:
            delegate_drills.start_drill(actor=actor, delegate_id=delegate_id)
            messages.success(request, _("The drill has been started."))

        return button(request, back, work)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Delegate:
        """Watch one, and look at once."""
        return delegates.look(delegates.create_delegate(actor=actor, **values))

    def change_row(self, actor: Actor, row: Delegate, values: dict[str, Any]) -> None:
        """Change what is watched."""
        delegates.update_delegate(actor=actor, delegate_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: Delegate) -> None:
        """Watch it no longer."""
        delegates.delete_delegate(actor=actor, delegate_id=row.pk)
