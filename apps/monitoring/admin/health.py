"""Health in the console: what the checks say, each with its past and what to do; and the button that runs one now."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

from aiwriter.core.errors import NotFound
from aiwriter.core.plots import Cell, Line
from apps.monitoring.models import CheckHistory, CheckResult, Heartbeat
from apps.monitoring.selectors.health import Day, check_history, check_results, runbook_text, strips
from apps.monitoring.services.checks import Check, learn, registry
from apps.monitoring.services.quarantine import run_now
from apps.users.admin.service_admin import ReadOnlyAdmin
from apps.users.selectors.access import can
from apps.users.selectors.callers import actor_of

_STATUS = {"o": "ok", "w": "warn", "f": "fail", "u": "unknown"}
_PLOTTED = 288


def state_mark(status: str, words: str = "") -> SafeString:
    """A status with its colour."""
    return format_html('<span class="state state-{}">{}</span>', status, words or status)


def day_cells(days: list[Day]) -> list[Cell]:
    """The pieces of a strip of days."""
    return [Cell(f"{day.day}: {_words(day)}", day.status) for day in days]


def _words(day: Day) -> str:
    if day.status == "none":
        return _("nobody looked")
    if day.status == "ok":
        return _("ok")
    minutes = {name: round(seconds / 60) for name, seconds in day.seconds.items() if name != "ok" and seconds >= 60}
    return ", ".join(f"{name} {length} min" for name, length in minutes.items())


@admin.register(CheckResult)
class CheckResultAdmin(ReadOnlyAdmin):
    """Newest results."""

    list_display = ("title", "node", "state", "message", "latency_ms", "flaps", "checked_at")
    list_filter = ("status", "node")
    search_fields = ("key", "message")

    def _check(self, row: CheckResult) -> Check | None:
        return next((check for check in registry() if check.key == row.key), None)

    @admin.display(description=_("Check"), ordering="key")
    def title(self, row: CheckResult) -> str:
        """The check's title."""
        check = self._check(row)
        return str(check.title) if check else row.key

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: CheckResult) -> str:
        """The status that counts now: an expired result is unknown."""
        return state_mark(row.effective_status)

    @admin.display(description=_("Restless"))
    def flaps(self, row: CheckResult) -> str:
        """The flap score."""
        return f"{row.flap_score} %" if row.flap_score else "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CheckResult]:
        """The rows; their titles are asked for once, checks of plugins included."""
        learn()
        return super().get_queryset(request)

    def get_urls(self) -> list[URLPattern]:
        """With the button."""
        own = path("<uuid:result_id>/run/", self.admin_site.admin_view(self.run_view), name="monitoring_check_run")
        return [own, *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """All that is known of a check on a machine."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        learn()
        actor = actor_of(request)
        row = check_results(actor).filter(pk=key).first() if (key := _key(object_id)) else None
        if row is None:
            return HttpResponseRedirect(reverse("admin:monitoring_checkresult_changelist"))
        check = self._check(row)
        past = list(check_history(actor, row.key).filter(node=row.node)[:_PLOTTED])
        text = runbook_text(check.runbook if check else "operators/checks", row.key)
        days = strips(actor, key=row.key).get(row.key, [])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.title(row),
            "row": row,
            "check": check,
            "status": row.effective_status,
            "recent": [Cell(_STATUS[letter], _STATUS[letter]) for letter in row.recent if letter in _STATUS],
            "past": past[:20],
            "latency": [Line(_("Milliseconds"), [(r.checked_at.timestamp(), r.latency_ms) for r in past[::-1]])],
            "first": past[-1].checked_at if past else None,
            "slowest": max((r.latency_ms for r in past), default=0),
            "days": day_cells(days),
            "bad_days": [day for day in days[::-1] if day.status not in ("none", "ok")][:10],
            "figures": sorted(row.data.items()),
            # Our own documentation, from our own files, with HTML switched off.
            "runbook": mark_safe(MarkdownIt("commonmark", {"html": False}).render(text)),  # noqa: S308
            "runbook_page": f"docs/{check.runbook}.md" if check else "",
            "may_run": can(actor, "monitoring.manage"),
        }
        return TemplateResponse(request, "admin/monitoring/check.html", context)

    def run_view(self, request: HttpRequest, result_id: uuid.UUID) -> HttpResponse:
        """Run it now."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        actor = actor_of(request)
        row = check_results(actor).filter(pk=result_id).first()
        if row is None:
            raise NotFound("There is no such check.")
        run_now(actor=actor, key=row.key)
        messages.success(request, _("It runs within a few seconds; load the page again."))
        return HttpResponseRedirect(reverse("admin:monitoring_checkresult_change", args=[row.pk]))


def _key(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@admin.register(CheckHistory)
class CheckHistoryAdmin(ReadOnlyAdmin):
    """The past."""

    list_display = ("checked_at", "key", "node", "status", "message", "latency_ms")
    list_filter = ("key", "status", "node")
    date_hierarchy = "checked_at"
    show_full_result_count = False


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """Signs of life."""

    list_display = ("part", "node", "beat_at")
