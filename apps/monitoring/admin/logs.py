"""The log in the console: a search over the last seven days, with questions that were kept."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from aiwriter.core.errors import InvalidInput
from apps.monitoring.models import LogQuery
from apps.monitoring.selectors.logs import FILTERS, LEVELS, Found, log_queries, search_logs
from apps.monitoring.services import logs as services
from apps.users.admin.service_admin import ReadOnlyAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

_MARKS = {"ERROR": "fail", "CRITICAL": "fail", "WARNING": "warn", "INFO": "ok", "DEBUG": "unknown"}
_NOTHING = Found([], "", 0, complete=True)


@admin.register(LogQuery)
class LogQueryAdmin(ReadOnlyAdmin):
    """One page: the filters, the lines, the kept questions."""

    def get_urls(self) -> list[URLPattern]:
        """With the forms of the page."""
        wrap = self.admin_site.admin_view
        own = [
            path("keep/", wrap(self.keep_view), name="monitoring_log_keep"),
            path("<uuid:query_id>/drop/", wrap(self.drop_view), name="monitoring_log_drop"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The search."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        filters = {name: request.GET[name] for name in FILTERS if request.GET.get(name, "").strip()}
        problem, found = "", _NOTHING
        try:
            found = search_logs(actor, filters, cursor=request.GET.get("cursor", ""))
        except InvalidInput as error:
            problem = str(error)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Log"),
            "filters": filters,
            "found": found,
            "rows": [(line, _MARKS.get(line.level, "unknown")) for line in found.lines],
            "problem": problem,
            "levels": LEVELS,
            "queries": [(each, urlencode(each.values)) for each in log_queries(actor)],
            "further": urlencode({**filters, "cursor": found.cursor}) if found.cursor else "",
            "may_manage": can(actor, "monitoring.manage"),
        }
        return TemplateResponse(request, "admin/monitoring/log.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A kept question, asked."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        back = reverse("admin:monitoring_logquery_changelist")
        try:
            row = log_queries(actor_of(request)).filter(pk=uuid.UUID(object_id)).first()
        except ValueError:
            row = None
        return HttpResponseRedirect(f"{back}?{urlencode(row.values)}" if row else back)

    def keep_view(self, request: HttpRequest) -> HttpResponse:
        """Keep the question."""
        values = {name: request.POST[name] for name in FILTERS if request.POST.get(name, "").strip()}
        name = request.POST.get("name", "")

        def work(actor: Actor) -> str:
            services.keep_query(actor=actor, name=name, values=values)
            return _("It is kept for everybody who may read the log.")

        back = reverse("admin:monitoring_logquery_changelist")
        return button(request, f"{back}?{urlencode(values)}", work)

    def drop_view(self, request: HttpRequest, query_id: uuid.UUID) -> HttpResponse:
        """Remove a question."""

        def work(actor: Actor) -> str:
            services.drop_query(actor=actor, query_id=query_id)
            return _("It is gone.")

        return button(request, reverse("admin:monitoring_logquery_changelist"), work)
