"""The AI actions that every workspace starts with. A workspace's own are its editors' matter and not shown here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.content.models import PromptAction, PromptActionVersion
from apps.content.services.prompt_actions import change_prompt_action, create_prompt_action
from apps.content.services.prompt_templates import VARIABLES
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor


class PromptActionForm(forms.ModelForm):
    """An action with what its newest version says."""

    template = forms.CharField(
        label="Prompt",
        widget=forms.Textarea(attrs={"rows": 10, "cols": 90}),
        help_text="Variables: " + ", ".join(f"{{{name}}}" for name in VARIABLES) + ".",
        strip=False,
    )
    scope = forms.ChoiceField(label="Works on", choices=PromptActionVersion.Scope.choices)
    placement = forms.ChoiceField(label="The answer goes", choices=PromptActionVersion.Placement.choices)

    class Meta:
        model = PromptAction
        fields = ("name", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with the newest version."""
        super().__init__(*args, **kwargs)
        if version := self.instance.current:
            for name in ("template", "scope", "placement"):
                self.fields[name].initial = getattr(version, name)


class VersionInline(admin.TabularInline):
    """What it said before."""

    model = PromptActionVersion
    fields = readonly_fields = ("number", "template", "scope", "placement", "created_by", "created_at")
    fk_name = "action"
    extra = max_num = 0
    can_delete = False
    verbose_name_plural = "versions"


@admin.register(PromptAction)
class PromptActionAdmin(ServiceAdmin):
    """Those of the installation, written by services."""

    form = PromptActionForm
    list_display = ("name", "key", "version", "works_on", "is_active", "updated_at")
    list_filter = ("is_active",)
    search_fields = ("name", "key")
    list_select_related = ("current",)
    fields = ("name", "template", "scope", "placement", "is_active")
    inlines = (VersionInline,)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptAction]:
        """Without those of workspaces."""
        return super().get_queryset(request).filter(workspace__isnull=True)

    @admin.display(description="Version", ordering="current__number")
    def version(self, row: PromptAction) -> int:
        """The newest."""
        return row.current.number if row.current else 0

    @admin.display(description="Works on")
    def works_on(self, row: PromptAction) -> str:
        """A selection, the whole text, or both."""
        return PromptActionVersion.Scope(row.current.scope).label if row.current else ""

    def add_row(self, actor: Actor, values: dict[str, Any]) -> PromptAction:
        """Make one that every workspace starts with."""
        return create_prompt_action(actor=actor, workspace=None, **values)

    def change_row(self, actor: Actor, row: PromptAction, values: dict[str, Any]) -> None:
        """Change it; its text is kept as a new version."""
        change_prompt_action(actor=actor, action_id=row.pk, **values)
