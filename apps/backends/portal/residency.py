"""Where the texts of a workspace may go: shown to its members, set by its editors."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.errors import AppError
from apps.backends.selectors.clearance import region_words
from apps.backends.selectors.residency import backend_choices, residency_of
from apps.backends.services import residency
from apps.users.portal.forms import add_app_error
from apps.users.portal.requests import workspace_of
from apps.users.selectors.access import can, require
from apps.users.selectors.callers import actor_of


class ResidencyForm(forms.Form):
    """A rule, as people write it."""

    regions = forms.CharField(
        label=gettext_lazy("Allowed regions"),
        required=False,
        max_length=500,
        help_text=gettext_lazy(
            "Codes separated by commas, such as eu, local. eu also allows eu-de; local is for machines of whoever runs "
            "the portal. Empty: every region."
        ),
    )
    backends = forms.MultipleChoiceField(
        label=gettext_lazy("Allowed backends"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen: every backend."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["backends"].choices = backend_choices()

    def asked(self) -> dict[str, Any]:
        """For `residency.set_rule`."""
        return {
            "regions": region_words(self.cleaned_data["regions"]),
            "backends": self.cleaned_data["backends"] or None,
        }


@login_required
@require_http_methods(["GET", "POST"])
def workspace_residency(request: HttpRequest) -> HttpResponse:
    """What binds here and what that means; editors change the workspace's own rule."""
    actor, workspace = actor_of(request), workspace_of(request)
    found = residency_of(actor, workspace.pk)
    may_manage = can(actor, "residency.manage", workspace=workspace)
    own = found.own
    start = {"regions": ", ".join(own.regions or []), "backends": own.backends or []} if own else {}
    form = ResidencyForm(request.POST or None, initial=start) if may_manage else None
    if request.method == "POST":
        require(actor, "residency.manage", workspace=workspace)
        if form is not None and form.is_valid():
            try:
                residency.set_rule(actor=actor, workspace_id=workspace.pk, **form.asked())
            except AppError as error:
                add_app_error(form, error)
            else:
                messages.success(request, _("The rule counts from the next call on."))
                return redirect("residency")
    context = {"workspace": workspace, "found": found, "form": form, "may_manage": may_manage}
    status = 400 if form is not None and form.is_bound else 200
    return render(request, "backends/residency.html", context, status=status)


@login_required
@require_POST
def drop_residency(request: HttpRequest) -> HttpResponse:
    """Remove the workspace's own rule."""
    residency.drop_rule(actor=actor_of(request), workspace_id=workspace_of(request).pk)
    messages.success(request, _("The workspace has no rule of its own any more."))
    return redirect("residency")
