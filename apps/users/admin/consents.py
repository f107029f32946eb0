"""The texts that people agree to: every version, how many agreed, a new one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.users.admin.service_admin import ServiceAdmin
from apps.users.models import ConsentText
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of
from apps.users.selectors.consents import counted
from apps.users.services import consents


@admin.register(ConsentText)
class ConsentTextAdmin(ServiceAdmin):
    """Versions are added and ended; none is changed."""

    list_display = ("title", "purpose", "version", "standing", "yes", "no")
    list_filter = ("purpose",)
    list_select_related = ("published_by",)
    actions = ("end",)

    def get_fields(self, request: HttpRequest, obj: ConsentText | None = None) -> tuple[str, ...]:
        """A version that is there tells also what became of it."""
        told = ("version", "standing", "published_by", "yes", "no") if obj else ()
        return ("purpose", "title", "body", *told)

    def get_readonly_fields(self, request: HttpRequest, obj: ConsentText | None = None) -> tuple[str, ...]:
        """A version never changes."""
        return self.get_fields(request, obj) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConsentText]:
        """With the counts of answers."""
        return counted(super().get_queryset(request)).order_by("purpose", "-version")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """With room for the text."""
        return super().get_form(
            request, obj, change=change, widgets={"body": forms.Textarea(attrs={"rows": 16})}, **kwargs
        )

    @admin.display(description="In force", ordering="published_at")
    def standing(self, text: ConsentText) -> str:
        """Since when people are asked, and until when they were."""
        begun = f"{text.published_at:%Y-%m-%d}"
        return f"{begun} to {text.ended_at:%Y-%m-%d}" if text.ended_at else f"since {begun}"

    @admin.display(description="Agreed")
    def yes(self, text: Any) -> int:
        """People whose newest answer is yes."""
        return int(text.yes)

    @admin.display(description="Refused")
    def no(self, text: Any) -> int:
        """People whose newest answer is no."""
        return int(text.no)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> ConsentText:
        """Put a new version in force."""
        return consents.publish_text(actor=actor, **values)

    @admin.action(description="Ask for it no longer", permissions=["add"])
    def end(self, request: HttpRequest, queryset: QuerySet[ConsentText]) -> None:
        """End the chosen versions."""
        for row in queryset:
            consents.end_text(actor=actor_of(request), text_id=row.pk)
            messages.success(request, f"{row}: nobody is asked any more.")
