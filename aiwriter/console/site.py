"""The console's admin site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import update_wrapper
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
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
        """Django's context, and the groups of the sidebar."""
        context = super().each_context(request)
        return {**context, "console_groups": self._grouped(context["available_apps"])}

    def _grouped(self, apps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Sort the models that the person may see into our groups."""
        models = {f"{app['app_label']}.{model['object_name']}": model for app in apps for model in app["models"]}
        groups = []
        for name, icon, wanted in GROUPS:
            if found := [models.pop(key) for key in wanted if key in models]:
                groups.append({"name": name, "icon": icon, "models": found})
        for app in apps:
            rest = [model for model in app["models"] if f"{app['app_label']}.{model['object_name']}" in models]
            if rest:
                groups.append(
                    {"name": app["name"], "icon": _OTHER_ICONS.get(app["app_label"], "settings"), "models": rest}
                )
        return groups
