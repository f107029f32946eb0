"""Figures over time in the console: plots, each with its table."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from aiwriter.core.plots import Line
from apps.monitoring.models import MetricSeries
from apps.monitoring.selectors import panels
from apps.monitoring.selectors.series import RANGES, History, all_series, histories
from apps.users.admin.service_admin import ReadOnlyAdmin
from apps.users.selectors.callers import actor_of


def shown(value: float | None, unit: str) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if unit == "bytes":
        return filesizeformat(value)
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
    if unit == "%":
        return f"{value:.0f} %"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def line_of(history: History) -> Line:
    """A series as a line of a plot; a gap of more than three steps breaks it."""
    points: list[tuple[float, float | None]] = []
    step = min((b.at - a.at for a, b in zip(history.points, history.points[1:], strict=False)), default=60)
    before = None
    for point in history.points:
        if before is not None and point.at - before > 3 * step:
            points.append((before + step, None))
        points.append((point.at, point.mean))
        before = point.at
    return Line(history.label, points)


@admin.register(MetricSeries)
class MetricSeriesAdmin(ReadOnlyAdmin):
    """All plots on one page; each series on its own."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The plots."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        span = request.GET.get("range", "24h")
        span = span if span in RANGES else "24h"
        groups = []
        for title, each in panels.drawn(actor, span=span):
            plots = []
            for drawn in each:
                unit = drawn.panel.unit
                rows = [(h.label, shown(h.last, unit), shown(h.mean, unit), shown(h.high, unit)) for h in drawn.series]
                plots.append({"title": drawn.panel.title, "lines": [line_of(h) for h in drawn.series], "rows": rows})
            groups.append((title, plots))
        routes = [
            (h.label, shown(times, ""), shown(h.mean, "s"), shown(h.high, "s"))
            for h, times in panels.slowest_routes(actor, span=span)
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Figures over time"),
            "groups": groups,
            "routes": routes,
            "span": span,
            "spans": list(RANGES),
        }
        return TemplateResponse(request, "admin/monitoring/figures.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One series with its points."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        actor = actor_of(request)
        row = all_series(actor).filter(pk=object_id).first() if object_id.isdecimal() and len(object_id) < 16 else None
        if row is None:
            return HttpResponseRedirect(reverse("admin:monitoring_metricseries_changelist"))
        span = request.GET.get("range", "24h")
        span = span if span in RANGES else "24h"
        found = histories(actor, [row.name], span=span, labels=[row.label])[row.name]
        unit = "s" if row.name.endswith("_seconds") else "bytes" if row.label.endswith("_bytes") else ""
        points = [
            (p.at, shown(p.mean, unit), shown(p.low, unit), shown(p.high, unit))
            for p in (found[0].points[::-1] if found else [])
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(row),
            "row": row,
            "lines": [line_of(h) for h in found],
            "points": points[:200],
            "span": span,
            "spans": list(RANGES),
        }
        return TemplateResponse(request, "admin/monitoring/figure.html", context)
