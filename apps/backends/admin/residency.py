"""Rules of residency in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest

from apps.backends.models import ResidencyRule
from apps.backends.selectors.clearance import region_words
from apps.backends.selectors.residency import backend_choices, residency_of, residency_of_portal
from apps.backends.services import residency
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of


class RuleForm(forms.ModelForm):
    """A rule, as people write it."""

    regions = forms.CharField(
        required=False,
        max_length=500,
        label="Allowed regions",
        help_text="Codes separated by commas, such as eu, local; eu also allows eu-de. Empty: every region.",
    )
    backends = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Allowed backends",
        help_text="None chosen: every backend.",
    )

    class Meta:
        model = ResidencyRule
        fields = ("workspace", "regions", "backends", "firm")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["regions"] = ", ".join(self.instance.regions or [])
        self.initial["backends"] = self.instance.backends or []
        fields: dict[str, Any] = self.fields
        if "backends" in fields:
            fields["backends"].choices = backend_choices()

    def clean_regions(self) -> list[str] | None:
        """The codes."""
        return region_words(self.cleaned_data["regions"])

    def clean_backends(self) -> list[str] | None:
        """The ids."""
        return self.cleaned_data["backends"] or None


@admin.register(ResidencyRule)
class ResidencyRuleAdmin(ServiceAdmin):
    """Where what is in the portal, or in one workspace, may be processed and stored."""

    form = RuleForm
    list_display = ("whose", "regions_shown", "backends_shown", "binding", "updated_at")
    list_select_related = ("workspace",)
    actions = None

    def get_fields(self, request: HttpRequest, obj: ResidencyRule | None = None) -> tuple[str, ...]:
        """A workspace's rule has nothing to be firm against."""
        firm = () if obj is not None and obj.workspace_id else ("firm",)
        return ("workspace", "regions", "backends", *firm)

    def get_readonly_fields(self, request: HttpRequest, obj: ResidencyRule | None = None) -> tuple[str, ...]:
        """The workspace says which rule it is."""
        return ("workspace",) if obj else ()

    @admin.display(description="Of", ordering="workspace")
    def whose(self, rule: ResidencyRule) -> str:
        """Whose rule it is."""
        return str(rule.workspace) if rule.workspace_id else "the whole portal"

    @admin.display(description="Regions")
    def regions_shown(self, rule: ResidencyRule) -> str:
        """What it allows."""
        return "every region" if rule.regions is None else ", ".join(rule.regions)

    @admin.display(description="Backends")
    def backends_shown(self, rule: ResidencyRule) -> str:
        """What it allows."""
        return "every backend" if rule.backends is None else str(len(rule.backends))

    @admin.display(description="Workspaces")
    def binding(self, rule: ResidencyRule) -> str:
        """What the portal's rule leaves to them."""
        if rule.workspace_id:
            return "–"
        return "may narrow it" if rule.firm else "may replace it"

    def add_row(self, actor: Actor, values: dict[str, Any]) -> ResidencyRule:
        """Make one; where there is one already, that one is changed."""
        return self._set(actor, values["workspace"], values)

    def change_row(self, actor: Actor, row: ResidencyRule, values: dict[str, Any]) -> None:
        """Change one."""
        whole = {name: getattr(row, name) for name in ("regions", "backends", "firm")} | values
        self._set(actor, row.workspace, whole)

    def delete_row(self, actor: Actor, row: ResidencyRule) -> None:
        """Remove one."""
        residency.drop_rule(actor=actor, workspace_id=row.workspace_id)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Call the service, and say for what no backend is left."""
        super().save_model(request, obj, form, change)
        actor = actor_of(request)
        found = residency_of(actor, obj.workspace_id) if obj.workspace_id else residency_of_portal(actor)
        if found.without:
            messages.warning(request, f"No backend is left for: {', '.join(found.without)}. Such calls are refused.")

    @staticmethod
    def _set(actor: Actor, workspace: Any, values: dict[str, Any]) -> ResidencyRule:
        return residency.set_rule(
            actor=actor,
            workspace_id=workspace.pk if workspace else None,
            regions=values["regions"],
            backends=values["backends"],
            firm=values["firm"],
        )
