"""Routes in the console."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from apps.backends.models import BackendProfile, Route, RouteStep
from apps.backends.services import routing
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of


class StepForm(forms.ModelForm):
    """One backend of the chain."""

    class Meta:
        model = RouteStep
        fields = ("position", "profile", "model", "options")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        profile = cast("forms.ModelChoiceField[BackendProfile]", self.fields["profile"])
        profile.queryset = BackendProfile.objects.enabled().of_kind("model")
        self.fields["options"].widget = forms.TextInput()

    def has_changed(self) -> bool:
        """A row in which no profile is chosen is an empty one."""
        return bool(self.instance.profile_id) or bool(self.data.get(self.add_prefix("profile")))


class StepInline(admin.TabularInline):
    """The chain."""

    model = RouteStep
    form = StepForm
    extra = 1
    max_num = routing.MOST_STEPS
    ordering = ("position",)


@admin.register(Route)
class RouteAdmin(ServiceAdmin):
    """Chains, written whole by one service."""

    list_display = ("purpose", "workspace", "chain")
    list_filter = ("purpose",)
    list_select_related = ("workspace",)
    fields = ("purpose", "workspace")
    inlines = (StepInline,)
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the steps, which every row shows."""
        return super().get_queryset(request).prefetch_related("steps__profile")

    def get_readonly_fields(self, request: HttpRequest, obj: Route | None = None) -> tuple[str, ...]:
        """Purpose and workspace say which chain it is."""
        return ("purpose", "workspace") if obj else ()

    @admin.display(description="Asked in this order")
    def chain(self, route: Route) -> str:
        """The steps in words."""
        steps = sorted(route.steps.all(), key=lambda step: step.position)
        return " → ".join(f"{step.profile.name} {step.model}".strip() for step in steps) or "nobody"

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Route:
        """Make a chain, see `save_related`."""
        return self._set(actor, values["route"], values["steps"])

    def change_row(self, actor: Actor, row: Route, values: dict[str, Any]) -> None:
        """Change a chain, see `save_related`."""
        self._set(actor, row, values["steps"])

    def delete_row(self, actor: Actor, row: Route) -> None:
        """Remove a workspace's own chain."""
        routing.delete_route(actor=actor, route_id=row.pk)

    def save_model(self, request: HttpRequest, obj: Route, form: Any, change: bool) -> None:
        """Nothing yet: a chain is written together with its steps."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write the chain as the rows below say."""
        rows = [
            row
            for formset in formsets
            for row in formset.cleaned_data
            if row.get("profile") and not row.get("DELETE", False)
        ]
        steps = [
            {"profile": row["profile"].pk, "model": row.get("model", ""), "options": row.get("options") or {}}
            for row in sorted(rows, key=lambda row: row["position"])
        ]
        route: Route = form.instance
        if change:
            self.change_row(actor_of(request), route, {"steps": steps})
        else:
            made = self.add_row(actor_of(request), {"route": route, "steps": steps})
            route.__dict__.update(made.__dict__)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Of the form alone: the rows below are not saved by Django, so it has no account of them."""
        return super().construct_change_message(request, form, [], add)

    @staticmethod
    def _set(actor: Actor, route: Route, steps: list[dict[str, Any]]) -> Route:
        return routing.set_route(actor=actor, purpose=route.purpose, workspace_id=route.workspace_id, steps=steps)
