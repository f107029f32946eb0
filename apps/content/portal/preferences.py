"""Settings: of the workspace, and of the person."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from aiwriter.core.errors import AppError, NotFound
from apps.content.models import WritingSettings
from apps.content.portal.forms import LANGUAGES
from apps.content.portal.requests import actor_of, signed_in, workspace_of
from apps.content.selectors.organising import Branch, tree, writing_settings
from apps.content.services.preferences import MOST_DAYS, change_settings
from apps.users.models import Workspace
from apps.users.portal.forms import add_app_error
from apps.users.selectors.access import can, require_user
from apps.users.services.people import update_profile
from apps.users.services.workspaces import rename_workspace

_THEMES = (
    ("auto", gettext_lazy("As the system")),
    ("light", gettext_lazy("Light")),
    ("dark", gettext_lazy("Dark")),
)
_YEAR = 365 * 24 * 3600


class WorkspaceForm(forms.Form):
    """How a workspace is called and written in."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    language = forms.ChoiceField(label=gettext_lazy("Language of new documents"), choices=LANGUAGES)
    default_collection = forms.ChoiceField(label=gettext_lazy("Collection of new documents"), required=False)
    approval = forms.ChoiceField(
        label=gettext_lazy("Before a text is published"),
        choices=(
            (WritingSettings.Approval.EDITOR, gettext_lazy("An editor approves it")),
            (WritingSettings.Approval.OTHER, gettext_lazy("An editor approves it who did not write on it")),
            (WritingSettings.Approval.NONE, gettext_lazy("No approval is needed")),
        ),
        required=False,
    )
    trash_days = forms.IntegerField(
        label=gettext_lazy("Days in the bin"),
        min_value=0,
        max_value=MOST_DAYS,
        help_text=gettext_lazy("After these days a deleted document is gone for good. 0: never by itself."),
    )

    def __init__(self, *args: Any, branches: list[Branch], language: str, **kwargs: Any) -> None:
        """Offer the collections of the workspace, and its language even when no menu of ours has it."""
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        offered = [(str(branch.collection.pk), branch.path) for branch in branches]
        fields["default_collection"].choices = [("", _("None")), *offered]
        if language not in dict(LANGUAGES):
            fields["language"].choices = [*LANGUAGES, (language, language)]


class PersonForm(forms.Form):
    """How the portal looks to one person."""

    full_name = forms.CharField(label=gettext_lazy("Name"), max_length=150, required=False)
    locale = forms.ChoiceField(label=gettext_lazy("Language of the portal"), choices=settings.LANGUAGES)
    timezone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=lambda: [(name, name) for name in sorted(zoneinfo.available_timezones())],
    )
    theme = forms.ChoiceField(label=gettext_lazy("Theme"), choices=_THEMES, widget=forms.RadioSelect)


@require_GET
@signed_in
def show(request: HttpRequest) -> HttpResponse:
    """Both forms."""
    return _page(request)


@require_POST
@signed_in
def workspace(request: HttpRequest) -> HttpResponse:
    """Change the settings of the workspace."""
    actor, room = actor_of(request), workspace_of(request)
    form = _workspace_form(request, room, request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            change_settings(
                actor=actor,
                workspace=room,
                trash_days=values["trash_days"],
                language=values["language"],
                default_collection_id=values["default_collection"] or None,
                approval=values["approval"] or None,
            )
            if values["name"].strip() != room.name:
                rename_workspace(actor=actor, workspace=room, name=values["name"])
        except AppError as error:
            if error.status in (401, 403, 404):
                raise
            add_app_error(form, error)
        else:
            messages.success(request, _("The settings are saved."))
            return redirect("content:settings")
    return _page(request, workspace_form=form)


@require_POST
@signed_in
def person(request: HttpRequest) -> HttpResponse:
    """Change one's own settings. The theme is a cookie, so that the next page is drawn in it at once."""
    form = PersonForm(request.POST)
    if form.is_valid():
        values = dict(form.cleaned_data)
        theme = values.pop("theme")
        try:
            update_profile(actor=actor_of(request), **values)
        except AppError as error:
            if error.status in (401, 403, 404):
                raise
            add_app_error(form, error)
        else:
            messages.success(request, _("The settings are saved."))
            answer = redirect("content:settings")
            if theme == "auto":
                answer.delete_cookie("theme", samesite="Lax")
            else:
                # A script switches the theme too, so the cookie is one that scripts may read.
                answer.set_cookie("theme", theme, max_age=_YEAR, samesite="Lax", secure=request.is_secure())
            return answer
    return _page(request, person_form=form)


def _workspace_form(request: HttpRequest, room: Workspace, data: Any = None) -> WorkspaceForm:
    stored = writing_settings(room)
    initial = {
        "name": room.name,
        "language": stored.language,
        "default_collection": str(stored.default_collection_id or ""),
        "trash_days": stored.trash_days,
        "approval": stored.approval,
    }
    branches = tree(actor=actor_of(request), workspace=room, counts=False)
    return WorkspaceForm(data, initial=initial, branches=branches, language=stored.language)


def _page(
    request: HttpRequest, *, workspace_form: WorkspaceForm | None = None, person_form: PersonForm | None = None
) -> HttpResponse:
    actor = actor_of(request)
    user = require_user(actor)
    own = {"full_name": user.full_name, "locale": user.locale, "timezone": user.timezone}
    own["theme"] = request.COOKIES.get("theme", "auto")
    context: dict[str, Any] = {"person_form": person_form or PersonForm(initial=own)}
    try:
        room = workspace_of(request)
    except NotFound:
        # An operator, say: a person without a workspace has a name and a theme all the same.
        room = None
    if room and can(actor, "content.read", workspace=room):
        context |= {
            "room": room,
            "may_manage": can(actor, "members.manage", workspace=room),
            "settings": writing_settings(room),
            "workspace_form": workspace_form or _workspace_form(request, room),
        }
    return render(request, "content/settings.html", context, status=400 if workspace_form or person_form else 200)
