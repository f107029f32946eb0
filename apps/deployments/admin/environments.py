"""Environments in the console."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import InvalidInput
from apps.deployments.models import Environment
from apps.deployments.selectors.environments import environment_for, frozen_by
from apps.deployments.selectors.releases import kept_releases
from apps.deployments.selectors.strategies import FORWARD_CHOICES, offers
from apps.deployments.services import environments as services
from apps.monitoring.admin.health import state_mark
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of


class EnvironmentForm(forms.ModelForm):
    """An environment."""

    def clean_own(self) -> bool:
        """One only; the model's own words for that would be those of the database."""
        own: bool = self.cleaned_data["own"]
        if own and Environment.objects.filter(own=True).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("Another environment is this portal's own. Change that one first."))
        return own


@admin.register(Environment)
class EnvironmentAdmin(ServiceAdmin):
    """Where versions go."""

    form = EnvironmentForm
    change_form_template = "admin/deployments/environment.html"
    list_display = ("title", "look", "kind", "current", "current_since", "approvals_required")
    list_select_related = ("current", "target", "follows")
    fields = (
        "slug",
        "title",
        "kind",
        "data_policy",
        "own",
        "delegate",
        "approvals_required",
        "default_strategy",
        "soak_hours",
        "follows",
        "release_keys",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the freezes, which the list asks for."""
        return super().get_queryset(request).prefetch_related("freezes")

    def get_readonly_fields(self, request: HttpRequest, obj: Environment | None = None) -> tuple[str, ...]:
        """Its name stays: the agent's file has it."""
        return ("slug",) if obj else ()

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only ways to a new version."""
        if db_field.name == "default_strategy":
            kwargs["choices"] = FORWARD_CHOICES
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("State"))
    def look(self, row: Environment) -> str:
        """Whether something may be rolled out."""
        if row.halted:
            return state_mark("fail", _("Halted"))
        if frozen_by(row):
            return state_mark("warn", _("Frozen"))
        return state_mark("ok", _("Open"))

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<uuid:environment_id>/{name}/", wrap(view), name=f"deployments_environment_{name}")
            for name, view in (
                ("freeze", self.freeze_view),
                ("unfreeze", self.unfreeze_view),
                ("key", self.key_view),
                ("open", self.open_view),
            )
        ]
        return own + super().get_urls()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, below what serves there and what the agent saw."""
        more = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            actor = actor_of(request)
            environment = environment_for(actor, object_id)
            more |= {
                "environment_row": environment,
                "mark": self.look(environment),
                "target": getattr(environment, "target", None),
                "kept": kept_releases(environment),
                "offers": offers(environment),
                "may_manage": can(actor, "deployments.manage"),
            }
        return super().changeform_view(request, object_id, form_url, more)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Environment:
        """Set one up."""
        return services.create_environment(actor=actor, **values)

    def change_row(self, actor: Actor, row: Environment, values: dict[str, Any]) -> None:
        """Change it."""
        services.update_environment(actor=actor, environment_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: Environment) -> None:
        """Remove it."""
        services.delete_environment(actor=actor, environment_id=row.pk)

    def freeze_view(self, request: HttpRequest, environment_id: uuid.UUID) -> HttpResponse:
        """Let nothing be rolled out for a time."""

        def work(actor: Actor) -> str:
            services.create_freeze(
                actor=actor,
                environment_id=environment_id,
                starts_at=moment(request, "starts_at"),
                ends_at=moment(request, "ends_at"),
                weekly=request.POST.get("weekly") == "on",
                reason=request.POST.get("reason", ""),
            )
            return _("Nothing is rolled out in that time.")

        return self._pressed(request, environment_id, work)

    def unfreeze_view(self, request: HttpRequest, environment_id: uuid.UUID) -> HttpResponse:
        """Take a freeze away."""
        number = request.POST.get("freeze", "")

        def work(actor: Actor) -> str:
            freeze_id = int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 0
            services.delete_freeze(actor=actor, environment_id=environment_id, freeze_id=freeze_id)
            return _("The freeze is gone.")

        return self._pressed(request, environment_id, work)

    def key_view(self, request: HttpRequest, environment_id: uuid.UUID) -> HttpResponse:
        """Replace the key that signs its plans."""

        def work(actor: Actor) -> str:
            services.replace_key(actor=actor, environment_id=environment_id)
            return _("Plans are signed with a new key. Put its public half into the agent's trusted_keys.")

        return self._pressed(request, environment_id, work)

    def open_view(self, request: HttpRequest, environment_id: uuid.UUID) -> HttpResponse:
        """Open it again after a roll-back that failed."""

        def work(actor: Actor) -> str:
            services.open_again(actor=actor, environment_id=environment_id, reason=request.POST.get("reason", ""))
            return _("Deployments may begin again.")

        return self._pressed(request, environment_id, work)

    @staticmethod
    def _pressed(request: HttpRequest, environment_id: uuid.UUID, work: Any) -> HttpResponse:
        return button(request, reverse("admin:deployments_environment_change", args=[environment_id]), work)


def moment(request: HttpRequest, name: str) -> dt.datetime:
    """A time that a form sent, in UTC.

    Raises:
        InvalidInput: it is none.
    """
    try:
        found = parse_datetime(request.POST.get(name, ""))
    except ValueError:
        found = None
    if found is None:
        raise InvalidInput("This is no time.", field=name, remedy="Choose a day and a time.")
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
