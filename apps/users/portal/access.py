"""More rights for a time, and what one may do and why: a person's own pages."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError, ProofRequired
from apps.users.models import ElevationPolicy, Workspace
from apps.users.models.elevations import LONGEST_MINUTES
from apps.users.portal.forms import add_app_error
from apps.users.selectors.access import require_user
from apps.users.selectors.callers import actor_of
from apps.users.selectors.effective import effective_access
from apps.users.selectors.elevations import desk_of, get_elevation
from apps.users.selectors.reviews import get_review, items_of, sheet_of
from apps.users.services import elevations
from apps.users.services.reviews import decide_items


class RequestForm(forms.Form):
    """A request for more rights.

    Args:
        policies: by which the person may ask.
    """

    policy = forms.ChoiceField(label=gettext_lazy("What do you need?"))
    workspace = forms.ChoiceField(label=gettext_lazy("In which workspace?"), required=False)
    reason = forms.CharField(
        label=gettext_lazy("What for?"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Whoever agrees reads it, and it stays in the record."),
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"),
        required=False,
        min_value=1,
        max_value=LONGEST_MINUTES,
        help_text=gettext_lazy("Empty: as long as the policy gives at first."),
    )
    ticket = forms.CharField(label=gettext_lazy("Ticket"), max_length=80, required=False)

    def __init__(self, *args: Any, policies: list[ElevationPolicy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: dict[str, Any] = self.fields
        offered["policy"].choices = [(str(each.pk), f"{each.name} ({_length(each)})") for each in policies]
        if any(each.needs_workspace for each in policies):
            rooms = Workspace.objects.order_by("name").values_list("pk", "name")
            offered["workspace"].choices = [("", "–"), *((str(key), name) for key, name in rooms)]
        else:
            del self.fields["workspace"]
        if not any(each.ticket_pattern for each in policies):
            del self.fields["ticket"]


def _length(policy: ElevationPolicy) -> str:
    return _("%(first)s min, at most %(most)s") % {"first": policy.default_minutes, "most": policy.max_minutes}


@login_required
@require_http_methods(["GET", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """What one has for a time, may ask for, and has to decide about others."""
    actor = actor_of(request)
    found = desk_of(actor=actor)
    form = RequestForm(request.POST or None, policies=found.asking)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        policy = next(each for each in found.asking if str(each.pk) == values["policy"])
        try:
            row = elevations.request_elevation(actor=actor, **{**values, "policy": policy})
        except AppError as error:
            add_app_error(form, error)
        else:
            said = _("You have it now.") if row.is_live else _("Asked. Those who may agree have been told.")
            messages.success(request, said)
            return redirect("users:access")
    return render(request, "users/access.html", {"desk": found, "form": form}, status=400 if form.is_bound else 200)


@login_required
@require_GET
def why(request: HttpRequest) -> HttpResponse:
    """What one may do, and why."""
    actor = actor_of(request)
    found = effective_access(actor=actor, user=require_user(actor))
    return render(request, "users/access_why.html", {"found": found})


@login_required
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, access_review_id: uuid.UUID) -> HttpResponse:
    """An access review that is the person's to decide: who works in a workspace of theirs."""
    actor = actor_of(request)
    found = get_review(actor=actor, review_id=access_review_id)
    if request.method == "POST":
        try:
            chosen = [uuid.UUID(each) for each in request.POST.getlist("items")]
            wanted = items_of(actor=actor, review=found).filter(pk__in=chosen)
            words = {"decision": request.POST.get("decision", ""), "comment": request.POST.get("comment", "")}
            done = decide_items(actor=actor, items=wanted, **words)
        except ValueError:
            messages.error(request, _("This is not in the review."))
        except ProofRequired:
            raise
        except AppError as error:
            if error.status in (403, 404):
                raise
            messages.error(request, str(error))
        else:
            messages.success(request, _("Decided: %(number)s.") % {"number": len(done)})
        return redirect("users:access-review", access_review_id=access_review_id)
    rows = sheet_of(actor=actor, review=found)
    context = {"review": found, "rows": rows, "may": any(mine for _item, mine in rows), "action": request.path}
    return render(request, "users/access_review.html", context)


@login_required
@require_POST
def act(request: HttpRequest, elevation_id: uuid.UUID, what: str) -> HttpResponse:
    """Agree, refuse, make longer or end."""
    actor = actor_of(request)
    row = get_elevation(actor=actor, elevation_id=elevation_id)
    words = request.POST.get("comment", "")
    try:
        if what == "extend":
            elevations.extend(actor=actor, elevation=row)
            messages.success(request, _("It lasts longer now."))
        elif what == "end":
            elevations.end(actor=actor, elevation=row, reason=words)
            messages.success(request, _("It has ended."))
        else:
            elevations.decide(actor=actor, elevation=row, agrees=what == "approve", comment=words)
            messages.success(request, _("You have agreed.") if what == "approve" else _("You have refused."))
    except ProofRequired:
        raise
    except AppError as error:
        if error.status in (403, 404):
            raise
        messages.error(request, str(error))
    return redirect("users:access")
