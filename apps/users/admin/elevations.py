"""More rights for a time: what holds now, what waits for an answer, what was before; and the policies."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import NotFound
from apps.users.admin.service_admin import ReadOnlyAdmin, ServiceAdmin, button
from apps.users.models import AuditEvent, Elevation, ElevationPolicy
from apps.users.models.capabilities import CAPABILITIES, SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of
from apps.users.selectors.elevations import decidable_by, get_elevation, visible_elevations
from apps.users.services import elevation_policies, elevations
from apps.users.services.subjects import named

_ROLES = [(role, role) for role in (*WORKSPACE_ROLES, *SYSTEM_ROLES)]
_DAYS = [
    ("0", gettext_lazy("Monday")),
    ("1", gettext_lazy("Tuesday")),
    ("2", gettext_lazy("Wednesday")),
    ("3", gettext_lazy("Thursday")),
    ("4", gettext_lazy("Friday")),
    ("5", gettext_lazy("Saturday")),
    ("6", gettext_lazy("Sunday")),
]
_PAST = 100


class PolicyForm(forms.ModelForm):
    """A policy; lists are ticked."""

    role = forms.ChoiceField(
        choices=[("", gettext_lazy("none: the capabilities below")), *_ROLES],
        required=False,
        help_text=gettext_lazy("Writer and editor are lent in one workspace, which the request names."),
    )
    capabilities = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in CAPABILITIES.items()],
        required=False,
        help_text=gettext_lazy("None chosen: everything that the role allows."),
    )
    eligible_roles = forms.MultipleChoiceField(
        choices=_ROLES, widget=forms.CheckboxSelectMultiple, help_text=gettext_lazy("Who holds one of them may ask.")
    )
    approver_roles = forms.MultipleChoiceField(
        choices=_ROLES, widget=forms.CheckboxSelectMultiple, help_text=gettext_lazy("Who holds one of them may agree.")
    )
    weekdays = forms.MultipleChoiceField(
        choices=_DAYS,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=gettext_lazy("None: all days."),
    )

    class Meta:
        model = ElevationPolicy
        fields = elevation_policies.FIELDS

    def clean_weekdays(self) -> list[int]:
        """As numbers."""
        return [int(day) for day in self.cleaned_data["weekdays"]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["weekdays"] = [str(day) for day in self.initial.get("weekdays") or []]
        if self.instance._state.adding:
            self.initial.setdefault("approver_roles", ["admin"])


@admin.register(ElevationPolicy)
class ElevationPolicyAdmin(ServiceAdmin):
    """Policies."""

    form = PolicyForm
    list_display = ["name", "lends", "approvals", "how_long", "only_lent", "enabled"]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "description", "enabled"]}),
        (gettext_lazy("What is lent"), {"fields": ["role", "capabilities", "strict"]}),
        (gettext_lazy("Who asks, who agrees"), {"fields": ["eligible_roles", "approver_roles", "approvals"]}),
        (
            gettext_lazy("How long, and when"),
            {
                "fields": [
                    "default_minutes",
                    "max_minutes",
                    "extendable",
                    "proof_minutes",
                    "ticket_pattern",
                    "weekdays",
                    "from_hour",
                    "to_hour",
                ]
            },
        ),
    ]

    @admin.display(description=gettext_lazy("Lends"))
    def lends(self, row: ElevationPolicy) -> str:
        """Role or capabilities."""
        names = ", ".join(row.capabilities)
        return f"{row.role}: {names}" if row.role and names else row.role or names

    @admin.display(description=gettext_lazy("Minutes"), ordering="default_minutes")
    def how_long(self, row: ElevationPolicy) -> str:
        """At first and at most."""
        return _("%(first)s, at most %(most)s") % {"first": row.default_minutes, "most": row.max_minutes}

    @admin.display(description=gettext_lazy("Only by elevation"), ordering="strict")
    def only_lent(self, row: ElevationPolicy) -> str:
        """Whether roles do not give it any more. No is nothing bad: no red cross."""
        return _("yes") if row.strict else "–"

    def add_row(self, actor: Actor, values: dict[str, Any]) -> ElevationPolicy:
        """Make."""
        return elevation_policies.create_policy(actor=actor, **values)

    def change_row(self, actor: Actor, row: ElevationPolicy, values: dict[str, Any]) -> None:
        """Change."""
        elevation_policies.update_policy(actor=actor, policy=row, **values)

    def delete_row(self, actor: Actor, row: ElevationPolicy) -> None:
        """Remove one that nobody has used."""
        elevation_policies.delete_policy(actor=actor, policy=row)


@admin.register(Elevation)
class ElevationAdmin(ReadOnlyAdmin):
    """Access now."""

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:elevation_id>/approve/", wrap(self.approve_view), name="users_elevation_approve"),
            path("<uuid:elevation_id>/deny/", wrap(self.deny_view), name="users_elevation_deny"),
            path("<uuid:elevation_id>/end/", wrap(self.end_view), name="users_elevation_end"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What holds now with the time that is left, what waits, what was before."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        rows: Any = visible_elevations(actor=actor)
        live, waiting = list(rows.live().order_by("expires_at")), list(rows.open())
        known, mine = {row.pk for row in (*live, *waiting)}, decidable_by(actor.user, waiting)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Access now"),
            "live": live,
            "waiting": [(row, row.pk in mine) for row in waiting],
            "past": [row for row in rows[:_PAST] if row.pk not in known],
            "may_end": can(actor, "users.manage"),
            "policies": ElevationPolicy.objects.filter(enabled=True).count(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/access/elevations.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One elevation: who agreed, and what was done with it."""
        if object_id is None or request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        try:
            row = get_elevation(actor=actor, elevation_id=uuid.UUID(object_id))
        except ValueError:
            raise NotFound("There is no such elevation.") from None
        acts = AuditEvent.objects.filter(actor_id=f"user:{row.user_id}", occurred_at__gte=row.created_at)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(row),
            "row": row,
            "may_end": can(actor, "users.manage"),
            "may_decide": bool(decidable_by(actor.user, [row])),
            "acts": named(acts.filter(after__elevation__icontains=str(row.pk))[:_PAST]) if row.starts_at else [],
            "may_read_record": can(actor, "audit.read"),
        }
        return TemplateResponse(request, "admin/access/elevation.html", context)

    def approve_view(self, request: HttpRequest, elevation_id: uuid.UUID) -> HttpResponse:
        """Agree."""
        return self._button(request, elevation_id, lambda actor, row, words: self._answer(actor, row, words, True))

    def deny_view(self, request: HttpRequest, elevation_id: uuid.UUID) -> HttpResponse:
        """Refuse."""
        return self._button(request, elevation_id, lambda actor, row, words: self._answer(actor, row, words, False))

    def end_view(self, request: HttpRequest, elevation_id: uuid.UUID) -> HttpResponse:
        """Take back, or withdraw."""

        def work(actor: Actor, row: Elevation, words: str) -> str:
            elevations.end(actor=actor, elevation=row, reason=words)
            return _("It has ended.")

        return self._button(request, elevation_id, work)

    @staticmethod
    def _answer(actor: Actor, row: Elevation, words: str, agrees: bool) -> str:
        elevations.decide(actor=actor, elevation=row, agrees=agrees, comment=words)
        return _("You have agreed.") if agrees else _("You have refused.")

    @staticmethod
    def _button(
        request: HttpRequest, elevation_id: uuid.UUID, work: Callable[[Actor, Elevation, str], str]
    ) -> HttpResponse:
        def whole(actor: Actor) -> str:
            row = get_elevation(actor=actor, elevation_id=elevation_id)
            return work(actor, row, request.POST.get("comment", ""))

        return button(request, reverse("admin:users_elevation_changelist"), whole)
