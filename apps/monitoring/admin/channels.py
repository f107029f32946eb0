"""Who is told of alerts: channels, routes, and the log of every telling."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import AlertChannel, AlertDelivery, AlertRoute
from apps.monitoring.services import channels as services
from apps.users.admin.service_admin import ReadOnlyAdmin, ServiceAdmin
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of

_DELIVERY = {"queued": "unknown", "running": "warn", "delivered": "ok", "failed": "fail"}


class ChannelForm(forms.ModelForm):
    """A channel; its address is written and never shown again."""

    address = forms.CharField(
        label=_("Address"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("Mail addresses, comma separated, or where to post to. Kept sealed; left empty it stays as it is."),
    )
    secret = forms.CharField(
        label=_("Signing secret"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("whsec_…, for webhooks; left empty it stays as it is."),
    )

    class Meta:
        model = AlertChannel
        fields = ("name", "kind", "enabled")


@admin.register(AlertChannel)
class AlertChannelAdmin(ServiceAdmin):
    """Channels."""

    form = ChannelForm
    change_form_template = "admin/monitoring/channel.html"
    list_display = ("name", "kind", "address_hint", "state", "last_delivered_at", "enabled")
    fields = ("name", "kind", "address", "secret", "enabled")

    @admin.display(description=_("State"))
    def state(self, channel: AlertChannel) -> str:
        """Whether it takes messages."""
        if channel.failing_since:
            return state_mark("fail", f"since {channel.failing_since:%Y-%m-%d %H:%M}")
        return state_mark("ok", "delivers") if channel.last_delivered_at else state_mark("unknown", "not used yet")

    def get_readonly_fields(self, request: HttpRequest, obj: AlertChannel | None = None) -> tuple[str, ...]:
        """What it is stays."""
        return ("kind",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        """With the test."""
        own = path(
            "<uuid:channel_id>/test/", self.admin_site.admin_view(self.test_view), name="monitoring_alertchannel_test"
        )
        return [own, *super().get_urls()]

    def test_view(self, request: HttpRequest, channel_id: uuid.UUID) -> HttpResponse:
        """Send a message without meaning."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = services.test_channel(actor=actor_of(request), channel_id=channel_id)
        messages.success(request, _("It goes out within seconds; load the page again to see what came back."))
        return HttpResponseRedirect(reverse("admin:monitoring_alertdelivery_change", args=[row.pk]))

    def add_row(self, actor: Actor, values: dict[str, Any]) -> AlertChannel:
        """Set one up."""
        enabled = values.pop("enabled", True)
        made = services.create_channel(actor=actor, **values)
        return made if enabled else services.update_channel(actor=actor, channel_id=made.pk, enabled=False)

    def change_row(self, actor: Actor, row: AlertChannel, values: dict[str, Any]) -> None:
        """Change it; an empty field of a secret means that it stays."""
        kept = {name: value for name, value in values.items() if value != "" or name not in ("address", "secret")}
        services.update_channel(actor=actor, channel_id=row.pk, **kept)

    def delete_row(self, actor: Actor, row: AlertChannel) -> None:
        """Remove it."""
        services.delete_channel(actor=actor, channel_id=row.pk)


@admin.register(AlertRoute)
class AlertRouteAdmin(ServiceAdmin):
    """Routes."""

    list_display = ("channel", "least_severity", "rules", "gather_seconds", "repeat_hours", "tell_end", "enabled")
    list_select_related = ("channel",)
    fields = ("channel", "least_severity", "rules", "gather_seconds", "repeat_hours", "tell_end", "enabled")

    def get_readonly_fields(self, request: HttpRequest, obj: AlertRoute | None = None) -> tuple[str, ...]:
        """Where it leads stays."""
        return ("channel",) if obj else ()

    def add_row(self, actor: Actor, values: dict[str, Any]) -> AlertRoute:
        """Make one."""
        return services.create_route(actor=actor, channel_id=values.pop("channel").pk, **values)

    def change_row(self, actor: Actor, row: AlertRoute, values: dict[str, Any]) -> None:
        """Change it."""
        services.update_route(actor=actor, route_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: AlertRoute) -> None:
        """Remove it."""
        services.delete_route(actor=actor, route_id=row.pk)


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyAdmin):
    """The log."""

    list_display = ("created_at", "kind", "channel", "look", "receipt", "error", "attempts", "finished_at")
    list_filter = ("state", "kind", "channel")
    list_select_related = ("channel",)
    date_hierarchy = "created_at"
    show_full_result_count = False
    fields = ("created_at", "kind", "channel", "look", "receipt", "error", "attempts", "next_try_at", "finished_at")
    readonly_fields = fields

    @admin.display(description=_("State"), ordering="state")
    def look(self, row: AlertDelivery) -> str:
        """The state with its colour."""
        return state_mark(_DELIVERY[row.state], row.get_state_display())
