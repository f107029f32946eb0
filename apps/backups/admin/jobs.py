"""Jobs in the console: live progress, log, stop. Runs and drills; restores and staging copies add pages of their own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from aiwriter.core.errors import AppError, NotFound
from aiwriter.core.errors import PermissionDenied as Forbidden
from aiwriter.core.templatetags.ui import with_code
from apps.backups.models import BackupRun, BackupSet, Drill, RecoveryJob
from apps.backups.selectors.sets import get_drill, get_run, sets_for
from apps.backups.services import jobs
from apps.users.admin.service_admin import ReadOnlyAdmin
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

_LOOKS = {"running": "warn", "succeeded": "ok", "failed": "fail"}
_OFFERED = 200


def choices_of_sets(sets: list[BackupSet]) -> list[tuple[str, str]]:
    """Sets as a form offers them."""
    return [
        (str(row.pk), f"{row.created_at:%Y-%m-%d %H:%M:%S} · {row.get_state_display()} · {row.destination.name}")
        for row in sets
    ]


def sets_to_choose(actor: Actor) -> list[BackupSet]:
    """The newest sets."""
    return list(sets_for(actor)[:_OFFERED])


def button(request: HttpRequest, back: str, work: Callable[[Actor], None]) -> HttpResponse:
    """Do what a form with one button asks for; a refusal is shown on the page that it came from.

    Args:
        request: must be a POST.
        back: where to go afterwards.
        work: calls one service.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        work(actor_of(request))
    except (NotFound, Forbidden):
        raise
    except AppError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(back)


def _look(job: RecoveryJob) -> str:
    return _LOOKS.get(job.state, "unknown")


class JobAdmin(ReadOnlyAdmin):
    """What all have: a list, and a page that follows the job."""

    find: Callable[..., Any]
    key = "run_id"
    template = "admin/backups/job.html"
    part = "admin/backups/parts/job.html"
    list_filter: ClassVar[tuple[str, ...]] = ("state", "trigger")
    date_hierarchy = "created_at"
    show_full_result_count = False
    actions = None

    @admin.display(description=_("State"), ordering="state")
    def look(self, job: RecoveryJob) -> str:
        """The state with its colour; below it what the job is at, or why it failed. Columns of their own would not fit."""
        below = job.error if job.is_final else job.phase
        return format_html(
            '<span class="state state-{}">{}</span>{}',
            _look(job),
            job.get_state_display(),
            format_html('<div class="muted small">{}</div>', with_code(below)) if below else "",
        )

    def get_urls(self) -> list[URLPattern]:
        """With the button that stops it."""
        name = f"backups_{self.opts.model_name}_stop"
        own = path(f"<uuid:{self.key}>/stop/", self.admin_site.admin_view(self.stop_view), name=name)
        return [own, *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The job, with what changes in a part that a script asks for again."""
        if object_id is None or request.method != "GET":
            raise PermissionDenied
        actor, job = actor_of(request), self._job(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(job),
            "job": job,
            "look": _look(job),
            "part": self.part,
            "may_stop": not job.is_final and can(actor, "backups.run"),
            "stop_url": reverse(f"admin:backups_{self.opts.model_name}_stop", args=[job.pk]),
            **self.more(actor, job),
        }
        fragment = request.headers.get("X-Fragment")
        return TemplateResponse(request, self.part if fragment else self.template, context)

    def more(self, actor: Actor, job: Any) -> dict[str, Any]:
        """What the page of this kind needs besides."""
        return {}

    def stop_view(self, request: HttpRequest, **keys: uuid.UUID) -> HttpResponse:
        """Ask it to end."""
        job_id = keys[self.key]
        return self.button(
            request, job_id, lambda actor: jobs.request_stop(actor=actor, job=self._job(request, str(job_id)))
        )

    def button(self, request: HttpRequest, job_id: uuid.UUID, work: Callable[[Actor], None]) -> HttpResponse:
        """A button of the job's page."""
        return button(request, reverse(f"admin:backups_{self.opts.model_name}_change", args=[job_id]), work)

    def _job(self, request: HttpRequest, key: str) -> Any:
        return type(self).find(actor_of(request), key)


@admin.register(BackupRun)
class BackupRunAdmin(JobAdmin):
    """Runs."""

    list_display = ("created_at", "action", "destination", "look", "trigger", "finished_at")
    list_filter = ("state", "action", "destination", "trigger")
    list_select_related = ("destination",)

    @staticmethod
    def find(actor: Actor, key: str) -> BackupRun:
        """The run."""
        return get_run(actor=actor, run_id=key)


@admin.register(Drill)
class DrillAdmin(JobAdmin):
    """Drills."""

    list_display = ("created_at", "whose", "set_name", "look", "lost", "took")
    list_filter = ("state", "destination", "delegate", "trigger")
    list_select_related = ("destination", "delegate")
    key = "drill_id"
    part = "admin/backups/parts/drill.html"

    @staticmethod
    def find(actor: Actor, key: str) -> Drill:
        """The drill."""
        return get_drill(actor=actor, drill_id=key)

    @admin.display(description=_("Place"), ordering="destination")
    def whose(self, drill: Drill) -> str:
        """The place, or the other tool."""
        return str(drill.destination or drill.delegate)

    @admin.display(description="RPO")
    def lost(self, drill: Drill) -> str:
        """How much work would have been lost."""
        return "" if drill.rpo_seconds is None else f"{drill.rpo_seconds / 60:.1f}\N{NO-BREAK SPACE}min"

    @admin.display(description="RTO")
    def took(self, drill: Drill) -> str:
        """How long it took."""
        return "" if drill.rto_seconds is None else f"{drill.rto_seconds:.1f}\N{NO-BREAK SPACE}s"
