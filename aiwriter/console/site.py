"""The console's admin site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, update_wrapper
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.decorators import secure_admin_login
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import get_script_prefix, reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from aiwriter.console.overview import overview
from aiwriter.core.clients import is_within

# What an operator looks for, in the order of need; a model that is not named stands in a group of its app below these.
GROUPS: Sequence[tuple[str | Promise, str, Sequence[str]]] = (
    (
        _("Operation"),
        "pulse",
        (
            "monitoring.CheckResult",
            "monitoring.MetricSeries",
            "monitoring.ErrorGroup",
            "monitoring.LogQuery",
            "monitoring.DebugCapture",
            "content.Generation",
            "content.Source",
            "content.Export",
            "backends.ModelCall",
            "monitoring.CheckHistory",
            "monitoring.Heartbeat",
        ),
    ),
    (
        _("Alerts"),
        "bell",
        (
            "monitoring.Alert",
            "monitoring.Incident",
            "monitoring.AlertRule",
            "monitoring.Slo",
            "monitoring.ReportSchedule",
            "monitoring.ReportRun",
            "monitoring.ExpectedRun",
            "monitoring.Silence",
            "monitoring.AlertChannel",
            "monitoring.AlertRoute",
            "monitoring.AlertDelivery",
        ),
    ),
    (
        _("Releases"),
        "switch",
        (
            "deployments.Deployment",
            "deployments.Release",
            "deployments.Environment",
            "deployments.Flag",
            "deployments.FlagRollout",
            "deployments.Experiment",
            "deployments.Announcement",
        ),
    ),
    (
        _("Backends and files"),
        "plug",
        (
            "backends.BackendProfile",
            "backends.Route",
            "backends.PriceOverride",
            "backends.StoredFile",
            "backends.StoredBlob",
        ),
    ),
    (
        _("Backups"),
        "history",
        (
            "backups.BackupSet",
            "backups.BackupRun",
            "backups.Drill",
            "backups.Restore",
            "backups.Policy",
            "backups.Destination",
            "backups.Delegate",
        ),
    ),
    (
        _("Usage and budgets"),
        "disk",
        ("monitoring.UsageRow", "monitoring.Budget", "monitoring.BudgetPeriod", "monitoring.Reservation"),
    ),
    (
        _("People and access"),
        "users",
        (
            "users.User",
            "users.Invitation",
            "users.Elevation",
            "users.AccessReview",
            "users.RoleGrant",
            "users.Group",
            "users.Workspace",
            "users.Membership",
            "users.ApiToken",
            "users.ElevationPolicy",
            "users.FactorPolicy",
            "users.SignInProvider",
            "users.RoleRule",
        ),
    ),
    (
        _("Record"),
        "shield",
        (
            "users.AuditEvent",
            "monitoring.Anomaly",
            "users.AuditSink",
            "users.AuditCheckpoint",
            "users.AuditVerification",
            "users.AuditSegment",
            "users.ProofPack",
            "users.KeyRecord",
            "users.PrivacyRequest",
            "users.Notification",
        ),
    ),
    (
        _("Schedules"),
        "calendar",
        (
            "django_celery_beat.PeriodicTask",
            "django_celery_beat.IntervalSchedule",
            "django_celery_beat.CrontabSchedule",
            "django_celery_beat.ClockedSchedule",
            "django_celery_beat.SolarSchedule",
        ),
    ),
)
_OTHER_ICONS: Mapping[str, str] = {"content": "document", "users": "users"}


@cache
def _address(prefix: str, model: type[Model]) -> str:
    """Where a model's list is, below a prefix: asking the routes for a hundred of them takes milliseconds a page."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _require_inside(request: HttpRequest) -> None:
    networks = settings.CONSOLE_NETWORKS
    if networks and not is_within(request.META, networks):
        raise Http404


class ConsoleSite(admin.AdminSite):
    """Stock Django admin with the portal's sign-in, look and home page."""

    site_header = _("Console")
    site_title = "AI-Writer"
    index_title = _("Overview")
    # The sidebar is the portal's (templates/admin/base.html); Django's own, with its script, stays off.
    enable_nav_sidebar = False

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Django's guard, behind our own: outside of the operators' networks the console does not exist."""
        inside = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            _require_inside(request)
            answer: HttpResponse = inside(request, *args, **kwargs)
            return answer

        return update_wrapper(guarded, view)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign in through the portal's page, so that its limits and its second factor hold here too.

        Django's own form is never reached: with it, whoever is signed in could try out other people's passwords
        without a limit.
        """
        _require_inside(request)
        return secure_admin_login(lambda inside: redirect("admin:index"))(request)

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Sign out through the portal's door, which records it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        get_adapter(request).logout(request)
        return redirect("account_login")

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Change one's password on the portal's page, which records it."""
        return redirect("account_change_password")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The console's home: what needs somebody now."""
        return super().index(request, {**(extra_context or {}), "overview": overview(request)})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Django's context, and the groups of the sidebar, which are put together when a page draws them."""
        return {**super().each_context(request), "console_groups": SimpleLazyObject(lambda: self._grouped(request))}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """What one app has. Of all apps nothing: no page of ours draws that list, which took 4 to 9 ms a page to put together."""
        return super().get_app_list(request, app_label) if app_label else []

    def _grouped(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Sort the models that the person may see into our groups."""
        seen = {
            model._meta.label: {
                "name": model._meta.verbose_name_plural,
                "admin_url": _address(get_script_prefix(), model),
            }
            for model, pages in self._registry.items()
            if pages.has_module_permission(request) and pages.has_view_or_change_permission(request)
        }
        groups = []
        for name, icon, wanted in GROUPS:
            if found := [seen.pop(label) for label in wanted if label in seen]:
                groups.append({"name": name, "icon": icon, "models": found})
        for app in {label.partition(".")[0]: None for label in seen}:
            rest = sorted(
                (each for label, each in seen.items() if label.startswith(f"{app}.")),
                key=lambda each: str(each["name"]),
            )
            name = apps.get_app_config(app).verbose_name
            groups.append({"name": name, "icon": _OTHER_ICONS.get(app, "settings"), "models": rest})
        return groups
