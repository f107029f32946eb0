"""Releases in the console."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.deployments.models import Environment, Release
from apps.deployments.selectors.releases import release_for
from apps.deployments.services import releases as services
from apps.monitoring.admin.health import state_mark
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of


class ReleaseForm(forms.ModelForm):
    """What a release is, and what is said about it."""

    class Meta:
        model = Release
        fields = ("version", *services.FACTS, *services.NOTES)
        labels = {
            "notes_operators": gettext_lazy("Notes for operators (Markdown)"),
            "notes_users": gettext_lazy("Notes for everybody (Markdown)"),
            "sbom": gettext_lazy("List of its parts"),
        }
        widgets = {
            name: forms.Textarea(attrs={"rows": 2})
            for name in ("schema_heads", "contract", "config_added", "config_removed")
        }


@admin.register(Release)
class ReleaseAdmin(ServiceAdmin):
    """Versions that can be rolled out."""

    form = ReleaseForm
    change_form_template = "admin/deployments/release.html"
    list_display = ("version", "look", "serves", "registered_by", "created_at")
    search_fields = ("version", "git_sha", "digest")
    date_hierarchy = "created_at"

    def get_readonly_fields(self, request: HttpRequest, obj: Release | None = None) -> tuple[str, ...]:
        """What it is stays."""
        return ("version", *services.FACTS) if obj else ()

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Asks once which version serves where."""
        self._serving: dict[uuid.UUID, list[str]] = {}
        for environment in Environment.objects.exclude(current=None):
            self._serving.setdefault(environment.current_id, []).append(environment.title)  # type: ignore[arg-type]
        return super().changelist_view(request, *args, **kwargs)

    @admin.display(description=gettext_lazy("State"))
    def look(self, row: Release) -> str:
        """Whether it may be rolled out."""
        if row.withdrawn:
            return state_mark("fail", _("Withdrawn"))
        return state_mark("ok", _("Signed")) if row.signature else state_mark("unknown", _("Not signed"))

    @admin.display(description=gettext_lazy("Serves in"))
    def serves(self, row: Release) -> str:
        """Where."""
        return ", ".join(self._serving.get(row.pk, [])) or "–"

    def get_urls(self) -> list[URLPattern]:
        """With the button."""
        view = self.admin_site.admin_view(self.withdraw_view)
        return [path("<uuid:release_id>/withdraw/", view, name="deployments_release_withdraw"), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, below how the release stands."""
        more = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            actor = actor_of(request)
            release = release_for(actor, object_id)
            more |= {
                "release_row": release,
                "mark": self.look(release),
                "serving": Environment.objects.filter(current=release),
                "may_register": can(actor, "deployments.register"),
            }
        return super().changeform_view(request, object_id, form_url, more)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Release:
        """Register one by hand."""
        empty: dict[str, Any] = {"schema_heads": {}, "contract": [], "config_added": [], "config_removed": []}
        given: dict[str, Any] = {name: empty.get(name) if value is None else value for name, value in values.items()}
        return services.register_release(actor=actor, **given)

    def change_row(self, actor: Actor, row: Release, values: dict[str, Any]) -> None:
        """Change what is said about it."""
        services.update_release(actor=actor, release_id=row.pk, **values)

    def withdraw_view(self, request: HttpRequest, release_id: uuid.UUID) -> HttpResponse:
        """Let it not be rolled out any more."""

        def work(actor: Actor) -> str:
            services.withdraw_release(actor=actor, release_id=release_id, reason=request.POST.get("reason", ""))
            return _("It is not rolled out any more.")

        return button(request, reverse("admin:deployments_release_change", args=[release_id]), work)
