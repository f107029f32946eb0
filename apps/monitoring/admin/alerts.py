"""Alerts in the console: what fires, the rules with their drill, silences."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import Conflict
from apps.monitoring.admin.health import state_mark
from apps.monitoring.models import Alert, AlertRule, Silence
from apps.monitoring.selectors.alerts import get_alert
from apps.monitoring.services import alerts as services
from apps.monitoring.services import rules
from apps.users.admin.service_admin import ReadOnlyAdmin, ServiceAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

LOOKS = {"critical": "fail", "warning": "warn", "info": "unknown"}


def alert_mark(alert: Alert) -> str:
    """An alert's state with its colour."""
    if alert.state == Alert.State.FIRING:
        words = _("drill") if alert.drill else _("silenced") if alert.silenced else alert.severity
        return state_mark("unknown" if alert.silenced or alert.drill else LOOKS[alert.severity], words)
    return state_mark("ok" if alert.state == Alert.State.RESOLVED else "unknown", alert.get_state_display())


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What fires and what did."""

    list_display = ("look", "title", "subject", "summary", "begun_at", "resolved_at", "taken")
    list_display_links = ("title",)
    list_filter = ("state", "severity", "drill", "rule")
    search_fields = ("title", "subject", "summary")
    date_hierarchy = "begun_at"
    show_full_result_count = False

    @admin.display(description=_("State"), ordering="state")
    def look(self, alert: Alert) -> str:
        """State or severity with its colour."""
        return alert_mark(alert)

    @admin.display(description=_("Taken up by"))
    def taken(self, alert: Alert) -> str:
        """Who is at it."""
        return alert.acknowledged_by or "–"

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path("<uuid:alert_id>/acknowledge/", wrap(self.acknowledge_view), name="monitoring_alert_acknowledge"),
            path("<uuid:alert_id>/silence/", wrap(self.silence_view), name="monitoring_alert_silence"),
        ]
        return own + super().get_urls()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """All of one."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        actor = actor_of(request)
        alert = get_alert(actor, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": alert.title,
            "alert": alert,
            "mark": alert_mark(alert),
            "deliveries": alert.deliveries.select_related("channel").order_by("created_at"),
            "before": Alert.objects.filter(fingerprint=alert.fingerprint).exclude(pk=alert.pk)[:10],
            "may_manage": can(actor, "monitoring.manage"),
            "hours": (1, 4, 24),
        }
        return TemplateResponse(request, "admin/monitoring/alert.html", context)

    def acknowledge_view(self, request: HttpRequest, alert_id: uuid.UUID) -> HttpResponse:
        """Take it up."""

        def work(actor: Actor) -> str:
            services.acknowledge(actor=actor, alert_id=alert_id)
            return _("It is yours; nobody is told of it again.")

        return button(request, reverse("admin:monitoring_alert_change", args=[alert_id]), work)

    def silence_view(self, request: HttpRequest, alert_id: uuid.UUID) -> HttpResponse:
        """Keep this alert quiet for some hours."""

        def work(actor: Actor) -> str:
            alert = get_alert(actor, alert_id)
            hours = request.POST.get("hours", "")
            services.create_silence(
                actor=actor,
                reason=request.POST.get("reason", ""),
                ends_at=timezone.now() + dt.timedelta(hours=int(hours) if hours.isdecimal() and len(hours) < 6 else 1),
                rule_id=alert.rule_id,
                subject=alert.subject or alert.title,
            )
            return _("It is quiet for now.")

        return button(request, reverse("admin:monitoring_alert_change", args=[alert_id]), work)


@admin.register(AlertRule)
class AlertRuleAdmin(ServiceAdmin):
    """Rules."""

    change_form_template = "admin/monitoring/rule.html"
    list_display = ("title", "severity", "subject", "patience", "proof", "enabled")
    list_filter = ("severity", "source", "enabled")
    search_fields = ("title", "slug", "subject")
    fieldsets = (
        (None, {"fields": ("slug", "title", "severity", "enabled", "runbook")}),
        (
            _("What is judged"),
            {
                "fields": ("source", "subject", "level", "label", "combine", "window_minutes", "compare", "threshold"),
                "description": _(
                    "Of a check the level counts; of a figure what its minutes add up to; of events how many there are."
                ),
            },
        ),
        (
            _("How patiently"),
            {
                "fields": (
                    "for_seconds",
                    "keep_firing_seconds",
                    "needed",
                    "of_last",
                    "no_data",
                    "no_data_seconds",
                )
            },
        ),
    )

    @admin.display(description=_("Fires after"))
    def patience(self, rule: AlertRule) -> str:
        """Its `for`."""
        return _("at once") if not rule.for_seconds else f"{rule.for_seconds} s"

    @admin.display(description=_("Proven"), ordering="proven_at")
    def proof(self, rule: AlertRule) -> str:
        """Whether a drill has arrived within 90 days."""
        if rule.is_proven and rule.proven_at:
            return state_mark("ok", f"{rule.proven_at:%Y-%m-%d}")
        return state_mark("warn", _("unproven"))

    def get_readonly_fields(self, request: HttpRequest, obj: AlertRule | None = None) -> tuple[str, ...]:
        """The short name stays: routes name it."""
        return ("slug",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        """With the drill."""
        own = path(
            "<uuid:alert_rule_id>/drill/",
            self.admin_site.admin_view(self.drill_view),
            name="monitoring_alertrule_drill",
        )
        return [own, *super().get_urls()]

    def drill_view(self, request: HttpRequest, alert_rule_id: uuid.UUID) -> HttpResponse:
        """Fire it for trial."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            alert = rules.start_drill(actor=actor_of(request), rule_id=alert_rule_id)
        except Conflict as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:monitoring_alertrule_change", args=[alert_rule_id]))
        messages.success(request, _("The drill is on its way; below you see what arrives."))
        return HttpResponseRedirect(reverse("admin:monitoring_alert_change", args=[alert.pk]))

    def add_row(self, actor: Actor, values: dict[str, Any]) -> AlertRule:
        """Make one."""
        return rules.create_rule(actor=actor, **values)

    def change_row(self, actor: Actor, row: AlertRule, values: dict[str, Any]) -> None:
        """Change it."""
        rules.update_rule(actor=actor, rule_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: AlertRule) -> None:
        """Remove it."""
        rules.delete_rule(actor=actor, rule_id=row.pk)


class SilenceForm(forms.ModelForm):
    """A new silence: an hour from now unless somebody says otherwise."""

    class Meta:
        model = Silence
        fields = ("kind", "rule", "subject", "reason", "announcement", "starts_at", "ends_at")


@admin.register(Silence)
class SilenceAdmin(ServiceAdmin):
    """Silences and maintenance windows."""

    form = SilenceForm
    list_display = ("reason", "kind", "rule", "subject", "starts_at", "ends_at", "author", "live")
    list_filter = ("kind",)
    list_select_related = ("rule",)
    date_hierarchy = "starts_at"

    @admin.display(description=_("In force"), boolean=True)
    def live(self, silence: Silence) -> bool:
        """Whether it keeps something quiet now."""
        return silence.starts_at <= timezone.now() < silence.ends_at

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """From now, for an hour."""
        now = timezone.now().replace(microsecond=0)
        return {"starts_at": now, "ends_at": now + dt.timedelta(hours=1)}

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Silence:
        """Make one."""
        rule = values.pop("rule", None)
        return services.create_silence(actor=actor, rule_id=rule.pk if rule else None, **values)

    def delete_row(self, actor: Actor, row: Silence) -> None:
        """End it."""
        services.end_silence(actor=actor, silence_id=row.pk)
