"""AI actions: what the editor's menu offers beside the built-in ones; editors of the workspace change it."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.errors import AppError
from apps.content.models import PromptAction, PromptActionVersion
from apps.content.portal.requests import actor_of, page_of, signed_in, workspace_of
from apps.content.selectors.prompt_actions import get_prompt_action, prompt_actions_for, versions_of_action
from apps.content.services import prompt_actions as service
from apps.content.services.prompt_templates import ASKED, GIVEN, MAX_TEMPLATE
from apps.users.portal.forms import add_app_error
from apps.users.selectors.access import can

PAGE_SIZE = 50
_MOST_VERSIONS = 50


class ActionForm(forms.Form):
    """Name, prompt and place of an action."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=service.MAX_NAME,
        help_text=gettext_lazy("The words in the editor's menu."),
    )
    template = forms.CharField(
        label=gettext_lazy("Prompt"),
        max_length=MAX_TEMPLATE,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "true"}),
        help_text=gettext_lazy("What the model is told. {selection} stands for the passage, {document} for the text."),
        strip=False,
    )
    scope = forms.ChoiceField(
        label=gettext_lazy("Works on"),
        choices=(
            ("selection", gettext_lazy("A selection")),
            ("both", gettext_lazy("A selection or the whole text")),
            ("whole", gettext_lazy("The whole text")),
        ),
    )
    placement = forms.ChoiceField(
        label=gettext_lazy("The answer goes"),
        choices=(
            ("replace", gettext_lazy("In place of the text")),
            ("after", gettext_lazy("After it, as new paragraphs")),
            ("before", gettext_lazy("Before it, as new paragraphs")),
        ),
    )


@require_http_methods(["GET", "POST"])
@signed_in
def action_list(request: HttpRequest) -> HttpResponse:
    """The actions of the workspace; posting makes one."""
    actor, workspace = actor_of(request), workspace_of(request)
    form = ActionForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                made = service.create_prompt_action(actor=actor, workspace=workspace, **form.cleaned_data)
            except AppError as error:
                status = _told(form, error)
            else:
                messages.success(request, _("“%(name)s” stands in the editor's menu now.") % {"name": made.name})
                return redirect("content:ai-actions")
    rows = prompt_actions_for(actor, workspace)
    context = {
        "page": page_of(request, rows, ordering=("name", "id"), size=PAGE_SIZE),
        "form": form,
        "may_manage": can(actor, "prompts.manage", workspace=workspace),
        "given": GIVEN,
        "asked": ASKED,
    }
    return render(request, "content/ai_actions.html", context, status=status)


@require_http_methods(["GET", "POST"])
@signed_in
def action(request: HttpRequest, action_id: uuid.UUID) -> HttpResponse:
    """One action with its versions; posting changes it."""
    actor, workspace = actor_of(request), workspace_of(request)
    found = get_prompt_action(actor=actor, action_id=action_id)
    form = ActionForm(request.POST or None, initial=_initial(found))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                service.change_prompt_action(actor=actor, action_id=action_id, **form.cleaned_data)
            except AppError as error:
                status = _told(form, error)
            else:
                messages.success(request, _("Saved."))
                return redirect("content:ai-action", action_id=action_id)
    manages = can(actor, "prompts.manage", workspace=found.workspace_id or workspace)
    context = {
        "action": found,
        "form": form,
        "versions": versions_of_action(found)[:_MOST_VERSIONS],
        "may_change": manages and found.workspace_id is not None,
        "may_copy": manages and found.workspace_id is None,
        "given": GIVEN,
        "asked": ASKED,
    }
    return render(request, "content/ai_action.html", context, status=status)


@require_POST
@signed_in
def copy(request: HttpRequest, action_id: uuid.UUID) -> HttpResponse:
    """Give the workspace its own copy, to be changed."""
    made = service.copy_prompt_action(actor=actor_of(request), action_id=action_id, workspace=workspace_of(request))
    messages.success(request, _("This is your workspace's own now. Change it as you like."))
    return redirect("content:ai-action", action_id=made.pk)


@require_POST
@signed_in
def switch(request: HttpRequest, action_id: uuid.UUID) -> HttpResponse:
    """Offer an action or no longer; one of the installation is copied first, so that other workspaces keep it."""
    actor, active = actor_of(request), request.POST.get("active") == "1"
    found = get_prompt_action(actor=actor, action_id=action_id)
    if found.workspace_id is None:
        found = service.copy_prompt_action(actor=actor, action_id=action_id, workspace=workspace_of(request))
    service.change_prompt_action(actor=actor, action_id=found.pk, is_active=active)
    said = _("“%(name)s” is offered.") if active else _("“%(name)s” is no longer offered.")
    messages.success(request, said % {"name": found.name})
    return redirect("content:ai-actions")


@require_POST
@signed_in
def restore(request: HttpRequest, action_id: uuid.UUID) -> HttpResponse:
    """Make an earlier version the newest again."""
    number = request.POST.get("number", "")
    try:
        service.restore_prompt_version(
            actor=actor_of(request), action_id=action_id, number=int(number) if number.isdecimal() else 0
        )
    except AppError as error:
        if error.status in (401, 403, 404):
            raise
        messages.error(request, str(error))
    else:
        messages.success(request, _("The earlier version counts again."))
    return redirect("content:ai-action", action_id=action_id)


@require_POST
@signed_in
def delete(request: HttpRequest, action_id: uuid.UUID) -> HttpResponse:
    """Delete an action of the workspace."""
    service.delete_prompt_action(actor=actor_of(request), action_id=action_id)
    messages.success(request, _("The action is deleted."))
    return redirect("content:ai-actions")


def _initial(found: PromptAction) -> dict[str, str]:
    version = found.current or PromptActionVersion()
    said = {"template": version.template, "scope": version.scope, "placement": version.placement}
    return {"name": found.name, **said}


def _told(form: ActionForm, error: AppError) -> int:
    if error.status in (401, 403, 404):
        raise error
    add_app_error(form, error)
    return error.status
