"""Staging copies in the console: choose, follow, stop, read the report of the scan."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError
from apps.backups.admin.jobs import JobAdmin, choices_of_sets, sets_to_choose
from apps.backups.models import BackupSet, StagingCopy
from apps.backups.selectors.sets import get_staging_copy
from apps.backups.services.staging.copies import start_staging
from apps.users.selectors.access import Actor, can, require
from apps.users.selectors.callers import actor_of


class StagingForm(forms.Form):
    """Which set, and where the copy goes."""

    set_id = forms.ChoiceField(label=gettext_lazy("From which set?"))
    folder = forms.CharField(
        max_length=300,
        label=gettext_lazy("Data folder of the copy"),
        help_text=gettext_lazy("Must be empty or not be there. A bare name is a folder below DATA_DIR/staging."),
    )
    database = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Database of the copy"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy(
            "postgres://user:password@host:5432/name of an empty database. Left empty, it is SQLite in the folder."
        ),
    )
    identity = forms.CharField(
        required=False,
        max_length=2_000,
        label=gettext_lazy("Key"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Only when it is not on this machine. It is forgotten when the copy is made."),
    )

    def __init__(self, *args: Any, sets: list[BackupSet], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["set_id"].choices = choices_of_sets(sets)  # type: ignore[attr-defined]


@admin.register(StagingCopy)
class StagingCopyAdmin(JobAdmin):
    """Staging copies."""

    change_list_template = "admin/backups/staging_list.html"
    list_display = ("created_at", "set_name", "folder", "look", "found", "finished_at")
    key = "copy_id"
    template = "admin/backups/staging.html"
    part = "admin/backups/parts/staging.html"

    @staticmethod
    def find(actor: Actor, key: str) -> StagingCopy:
        """The copy."""
        return get_staging_copy(actor=actor, copy_id=key)

    @admin.display(description=gettext_lazy("Originals found"))
    def found(self, row: StagingCopy) -> str:
        """What the scan found."""
        return str(row.scan.get("found", ""))

    def get_urls(self) -> list[URLPattern]:
        """With the page that makes one."""
        own = path("new/", self.admin_site.admin_view(self.new_view), name="backups_stagingcopy_new")
        return [own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, with the button for who may."""
        may = can(actor_of(request), "backups.restore")
        return super().changelist_view(request, {**(extra_context or {}), "may_make": may})

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Which set, and where to."""
        actor = actor_of(request)
        require(actor, "backups.restore")
        sets = sets_to_choose(actor)
        first = {"set_id": request.GET.get("set", ""), "folder": "staging"}
        form = StagingForm(request.POST or None, sets=sets, initial=first)
        if request.method == "POST" and form.is_valid():
            try:
                job = start_staging(actor=actor, **form.cleaned_data)
                return HttpResponseRedirect(reverse("admin:backups_stagingcopy_change", args=[job.pk]))
            except AppError as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Make a staging copy"),
            "form": form,
            "sets": sets,
        }
        return TemplateResponse(request, "admin/backups/staging_new.html", context)
