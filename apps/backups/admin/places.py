"""Places for backups and policies in the console."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError
from aiwriter.core.plots import Line
from apps.backends.models import BackendProfile
from apps.backups.admin.jobs import button
from apps.backups.admin.keys import keys_view
from apps.backups.models import Destination, Policy
from apps.backups.selectors.forecast import forecast
from apps.backups.selectors.status import is_elsewhere
from apps.backups.services import destinations, policies, retention, schedules, taking_back
from apps.backups.services.repositories import place_of
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

_CHANGEABLE = ("name", "enabled", "price_gib_month", "currency")


class DestinationForm(ModelForm):
    """With keys as text, one a line."""

    keys = forms.CharField(
        required=False,
        label=gettext_lazy("Public keys"),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One a line (age1…): who can open the backups. Left empty, a pair is made, and its private half is kept here."
        ),
    )
    identity = forms.CharField(
        required=False,
        label=gettext_lazy("Key of a repository that is there already"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = Destination
        fields = (
            "name",
            "kind",
            "folder",
            "profile",
            "prefix",
            "mirror_of",
            "enabled",
            "price_gib_month",
            "currency",
        )
        labels = {
            "kind": gettext_lazy("Kind of place"),
            "profile": gettext_lazy("Storage profile"),
            "mirror_of": gettext_lazy("A copy of"),
            "price_gib_month": gettext_lazy("Price of a GiB and month"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "profile" in self.fields:
            self.fields["profile"].queryset = BackendProfile.objects.enabled().of_kind("storage")  # type: ignore[attr-defined]
        if "mirror_of" in self.fields:
            self.fields["mirror_of"].queryset = Destination.objects.filter(mirror_of=None)  # type: ignore[attr-defined]


@admin.register(Destination)
class DestinationAdmin(ServiceAdmin):
    """Places."""

    form = DestinationForm
    change_form_template = "admin/backups/place.html"
    list_display = ("name", "where", "copy_of", "device", "key", "enabled", "last_used_at", "last_problem")
    actions = None

    def get_fieldsets(self, request: HttpRequest, obj: Destination | None = None) -> Any:
        """Where a place lies is settled when it is made."""
        if obj:
            return (
                (
                    None,
                    {
                        "fields": (
                            "name",
                            "enabled",
                            "price_gib_month",
                            "currency",
                            "where",
                            "copy_of",
                            "device",
                            "opens",
                            "last_problem",
                        )
                    },
                ),
            )
        return (
            (None, {"fields": ("name", "kind", "folder", "profile", "prefix")}),
            (_("Copy"), {"fields": ("mirror_of",)}),
            (_("Keys"), {"fields": ("keys", "identity")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Destination | None = None) -> tuple[str, ...]:
        """What is only shown."""
        return ("where", "copy_of", "device", "opens", "last_problem") if obj else ()

    @admin.display(description=gettext_lazy("Where"))
    def where(self, row: Destination) -> str:
        """The address."""
        return place_of(row)

    @admin.display(description=gettext_lazy("Copy of"))
    def copy_of(self, row: Destination) -> str:
        """Whose copy it is."""
        return row.mirror_of.name if row.mirror_of else ""

    @admin.display(description=gettext_lazy("On another device"), boolean=True)
    def device(self, row: Destination) -> bool:
        """Whether it survives the loss of the portal's disk."""
        return is_elsewhere(row)

    @admin.display(description=gettext_lazy("Key on this machine"), boolean=True)
    def key(self, row: Destination) -> bool:
        """Whether drills and restores need nobody to bring it."""
        return bool(row.identity_ref)

    @admin.display(description=gettext_lazy("Who can open the backups"))
    def opens(self, row: Destination) -> str:
        """Public keys."""
        return format_html("{}", ", ".join(row.recipients))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With what the place will hold and cost."""
        row = kwargs.get("obj")
        if row is not None:
            found = forecast(row)
            context["forecast"] = found
            context["may_run"] = can(actor_of(request), "backups.run")
            try:
                context["removed"] = taking_back.removed_sets(actor=actor_of(request), destination_id=row.pk)
            except AppError:
                # A place that is away is told of at its top; the page is shown all the same.
                context["removed"] = []
            context["forecast_lines"] = [
                Line(_("Held"), [(day.toordinal(), size) for day, size in found.history]),
                Line(_("If the last weeks go on"), [(day.toordinal(), size) for day, size in found.ahead]),
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        """With the button that takes a removed set back, and the page of the keys."""
        view = self.admin_site.admin_view(self.take_back_view)
        return [
            path("<uuid:destination_id>/take-back/", view, name="backups_destination_take_back"),
            path(
                "<uuid:destination_id>/keys/",
                self.admin_site.admin_view(self.keys_view),
                name="backups_destination_keys",
            ),
            *super().get_urls(),
        ]

    def keys_view(self, request: HttpRequest, destination_id: uuid.UUID) -> HttpResponse:
        """Who can open the backups."""
        return keys_view(request, destination_id, {**self.admin_site.each_context(request), "opts": self.opts})

    def take_back_view(self, request: HttpRequest, destination_id: uuid.UUID) -> HttpResponse:
        """Take a removed set back."""
        back = reverse("admin:backups_destination_change", args=[destination_id])
        name = request.POST.get("set", "")

        def work(actor: Actor) -> None:
            taking_back.take_back(actor=actor, destination_id=destination_id, name=name)
            messages.success(request, _("The set is back, and pinned."))

        return button(request, back, work)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Destination:
        """Set one up."""
        profile, source = values.get("profile"), values.get("mirror_of")
        row, _identity = destinations.create_destination(
            actor=actor,
            name=values["name"],
            kind=values["kind"],
            folder=values.get("folder", ""),
            profile_id=profile.pk if profile else None,
            prefix=values.get("prefix", ""),
            recipients=values.get("keys", "").split(),
            identity=values.get("identity", ""),
            mirror_of=source.pk if source else None,
        )
        return row

    def change_row(self, actor: Actor, row: Destination, values: dict[str, Any]) -> None:
        """Rename it, or switch it off."""
        wanted = {name: value for name, value in values.items() if name in _CHANGEABLE}
        destinations.update_destination(actor=actor, destination_id=row.pk, **wanted)

    def delete_row(self, actor: Actor, row: Destination) -> None:
        """Forget it."""
        destinations.delete_destination(actor=actor, destination_id=row.pk)

    def response_add(
        self, request: HttpRequest, obj: Destination, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Say where a key that was made lies."""
        if obj.identity_ref and not obj.mirror_of_id:
            messages.warning(
                request,
                _("The key that opens these backups is on this machine. Keep it elsewhere too: manage.py keys show"),
            )
        return super().response_add(request, obj, post_url_continue)


class PolicyForm(ModelForm):
    """With labels that say the unit."""

    class Meta:
        model = Policy
        fields = "__all__"  # noqa: DJ007  the fieldsets of the page choose
        labels = {
            "destination": gettext_lazy("Place"),
            "every": gettext_lazy("How often"),
            "at": gettext_lazy("At"),
            "window_start": gettext_lazy("Window from"),
            "window_end": gettext_lazy("to"),
            "bandwidth_mb": gettext_lazy("Bandwidth, MB a second"),
            "cpu_percent": gettext_lazy("Processors, per cent"),
            "keep_last": gettext_lazy("Last sets"),
            "keep_hourly": gettext_lazy("Hours"),
            "keep_daily": gettext_lazy("Days"),
            "keep_weekly": gettext_lazy("Weeks"),
            "keep_monthly": gettext_lazy("Months"),
            "keep_yearly": gettext_lazy("Years"),
            "keep_days": gettext_lazy("Everything of the last days"),
            "keep_minimum": gettext_lazy("At least"),
            "verify_percent": gettext_lazy("Checked by each run, per cent"),
            "pitr": gettext_lazy("Capture every change"),
            "pitr_seconds": gettext_lazy("Stored after, seconds"),
            "pitr_days": gettext_lazy("Every second of the last days"),
            "deep_days": gettext_lazy("Days between deep checks"),
            "drill_days": gettext_lazy("Days between drills"),
        }


@admin.register(Policy)
class PolicyAdmin(ServiceAdmin):
    """Schedules, what is kept, what is promised."""

    form = PolicyForm

    change_form_template = "admin/backups/policy.html"
    list_display = ("name", "destination", "every", "next", "drill_days", "promise", "enabled")
    list_select_related = ("destination",)
    actions = None
    fieldsets = (
        (None, {"fields": ("name", "destination", "enabled")}),
        (
            gettext_lazy("Schedule"),
            {"fields": ("every", "at", ("window_start", "window_end"), ("bandwidth_mb", "cpu_percent"))},
        ),
        (
            gettext_lazy("Every second"),
            {
                "fields": ("pitr", ("pitr_seconds", "pitr_days")),
                "description": gettext_lazy("Captures what changes between two backups: any second can be restored."),
            },
        ),
        (
            gettext_lazy("What is kept"),
            {
                "fields": (
                    "keep_last",
                    ("keep_hourly", "keep_daily", "keep_weekly"),
                    ("keep_monthly", "keep_yearly"),
                    "keep_days",
                    "keep_minimum",
                )
            },
        ),
        (gettext_lazy("Checks and drills"), {"fields": ("verify_percent", "deep_days", "drill_days")}),
        (gettext_lazy("Promise"), {"fields": ("rpo_minutes", "rto_minutes")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> tuple[str, ...]:
        """The place of a policy stays."""
        return ("destination",) if obj else ()

    @admin.display(description=gettext_lazy("Next backup"))
    def next(self, row: Policy) -> str:
        """When."""
        return f"{schedules.next_backup(row):%Y-%m-%d %H:%M} UTC" if row.enabled else ""

    @admin.display(description=gettext_lazy("Promise"))
    def promise(self, row: Policy) -> str:
        """RPO and RTO."""
        return f"{row.rpo_minutes} / {row.rto_minutes} min"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With what the policy would delete now."""
        row = kwargs.get("obj")
        if row is not None:
            plan = retention.preview(row)
            kept = {each.row.pk for each in plan.kept}
            context["preview"] = [(each, each.row.pk in kept) for each in plan.verdicts[:100]]
            context["frozen"] = plan.frozen
            context["going"] = len(plan.going)
        return super().render_change_form(request, context, *args, **kwargs)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Policy:
        """Make one."""
        return policies.create_policy(actor=actor, destination_id=values.pop("destination").pk, **values)

    def change_row(self, actor: Actor, row: Policy, values: dict[str, Any]) -> None:
        """Change one."""
        policies.update_policy(actor=actor, policy_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: Policy) -> None:
        """Remove one."""
        policies.delete_policy(actor=actor, policy_id=row.pk)
