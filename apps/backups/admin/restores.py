"""The restore wizard: choose, read the plan, agree, follow, undo."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError
from apps.backups.admin.jobs import JobAdmin, choices_of_sets, sets_to_choose
from apps.backups.models import BackupSet, Restore
from apps.backups.selectors.sets import get_restore
from apps.backups.services import approvals, moments, restores
from apps.users.selectors.access import Actor, can, require
from apps.users.selectors.callers import actor_of


class RestoreForm(forms.Form):
    """What is to be brought back, and from which set."""

    scope = forms.ChoiceField(
        choices=Restore.Scope.choices, widget=forms.RadioSelect, label=gettext_lazy("What is to be brought back?")
    )
    set_id = forms.ChoiceField(required=False, label=gettext_lazy("From which set?"))
    moment = forms.DateTimeField(
        required=False,
        label=gettext_lazy("Or a moment"),
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"}),
        input_formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"],
        help_text=gettext_lazy("UTC, to the second. For the database or everything, where changes are captured."),
    )
    subject = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Workspace, document or file"),
        help_text=gettext_lazy("Its id, or the address of its page. Only for one workspace, document or file."),
    )
    identity = forms.CharField(
        required=False,
        max_length=2_000,
        strip=True,
        label=gettext_lazy("Key"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Only when it is not on this machine. It is forgotten when the restore has ended."),
    )

    def __init__(self, *args: Any, sets: list[BackupSet], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["set_id"].choices = [  # type: ignore[attr-defined]
            ("", _("a moment instead, see below")),
            *choices_of_sets(sets),
        ]


@admin.register(Restore)
class RestoreAdmin(JobAdmin):
    """Restores."""

    change_list_template = "admin/backups/restores.html"
    list_display = ("created_at", "scope", "set_name", "look", "switched_at", "undo_until")
    list_filter = ("state", "scope")
    key = "restore_id"
    template = "admin/backups/restore.html"

    @staticmethod
    def find(actor: Actor, key: str) -> Restore:
        """The restore."""
        return get_restore(actor=actor, restore_id=key)

    def get_urls(self) -> list[URLPattern]:
        """With the wizard's steps."""
        wrap = self.admin_site.admin_view
        own = [
            path("plan/", wrap(self.plan_view), name="backups_restore_plan"),
            path("<uuid:restore_id>/start/", wrap(self.start_view), name="backups_restore_start"),
            path("<uuid:restore_id>/approve/", wrap(self.approve_view), name="backups_restore_approve"),
            path("<uuid:restore_id>/undo/", wrap(self.undo_view), name="backups_restore_undo"),
        ]
        return own + super().get_urls()

    def plan_view(self, request: HttpRequest) -> HttpResponse:
        """First step: what, and from which set."""
        actor = actor_of(request)
        require(actor, "backups.restore")
        sets = sets_to_choose(actor)
        newest = str(sets[0].pk) if sets and not request.GET.get("moment") else ""
        first = {
            "set_id": request.GET.get("set", newest),
            "scope": request.GET.get("scope", "database" if request.GET.get("moment") else "document"),
            "moment": request.GET.get("moment", ""),
        }
        form = RestoreForm(request.POST or None, sets=sets, initial=first)
        if request.method == "POST" and form.is_valid():
            try:
                values = form.cleaned_data
                if values["moment"]:
                    values["moment"] = values["moment"].replace(tzinfo=dt.UTC)
                restore = restores.plan_restore(actor=actor, **values)
                return HttpResponseRedirect(reverse("admin:backups_restore_change", args=[restore.pk]))
            except AppError as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Restore"),
            "form": form,
            "sets": sets,
            "moments": moments.overview(actor=actor),
        }
        return TemplateResponse(request, "admin/backups/restore_plan.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, with the button for who may."""
        may = can(actor_of(request), "backups.restore")
        return super().changelist_view(request, {**(extra_context or {}), "may_restore": may})

    def more(self, actor: Actor, job: Restore) -> dict[str, Any]:
        """Who may agree, start and undo."""
        may = can(actor, "backups.restore")
        return {
            "may_restore": may,
            "awaits": bool(job.plan.get("approval")) and job.approved_at is None,
            "may_approve": may and actor.user is not None and actor.user.pk != job.requested_by_id,
            "may_undo": may
            and job.state == "succeeded"
            and job.before
            and job.undo_until is not None
            and job.undo_until > timezone.now(),
        }

    def start_view(self, request: HttpRequest, restore_id: uuid.UUID) -> HttpResponse:
        """Second step: agree."""
        words = request.POST.get("confirm", "")
        return self.button(request, restore_id, lambda actor: _start(actor, restore_id, words))

    def approve_view(self, request: HttpRequest, restore_id: uuid.UUID) -> HttpResponse:
        """A second person agrees."""
        return self.button(request, restore_id, lambda actor: _approve(actor, restore_id))

    def undo_view(self, request: HttpRequest, restore_id: uuid.UUID) -> HttpResponse:
        """Put the database of before back."""
        return self.button(request, restore_id, lambda actor: _undo(actor, restore_id))


def _start(actor: Actor, restore_id: uuid.UUID, words: str) -> None:
    restores.start_restore(actor=actor, restore_id=restore_id, confirm=words)


def _approve(actor: Actor, restore_id: uuid.UUID) -> None:
    approvals.approve_restore(actor=actor, restore_id=restore_id)


def _undo(actor: Actor, restore_id: uuid.UUID) -> None:
    restores.undo_restore(actor=actor, restore_id=restore_id)
