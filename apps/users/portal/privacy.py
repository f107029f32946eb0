"""A person's own data: what the portal holds, a copy of it, its correction and its erasure."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError
from apps.users.portal.forms import PrivacyForm, add_app_error
from apps.users.selectors.callers import actor_of
from apps.users.selectors.privacy import own_requests
from apps.users.services import privacy
from apps.users.services.privacy_files import download_response

SHOWN = 30
LOOKS = {
    "waiting": "badge-warn",
    "queued": "badge-warn",
    "running": "badge-warn",
    "done": "badge-good",
    "refused": "badge-bad",
    "failed": "badge-bad",
    "stopped": "",
}


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def my_data(request: HttpRequest) -> HttpResponse:
    """One's requests with their state, and the form for another."""
    actor = actor_of(request)
    rows = own_requests(actor)[:SHOWN]
    form = PrivacyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = privacy.ask(actor=actor, **form.asked())
        except AppError as error:
            add_app_error(form, error)
        else:
            if row.kind == "export":
                messages.success(request, _("The copy of your data is being made. You are told when it is ready."))
            else:
                messages.success(request, _("Your request is with the administrators."))
            return redirect("users:my-data")
    context = {"form": form, "requests": [(row, LOOKS[row.state]) for row in rows], "due_days": privacy.DUE_DAYS}
    return render(request, "users/my_data.html", context, status=400 if form.is_bound else 200)


@login_required
@require_POST
def take_back(request: HttpRequest, privacy_id: uuid.UUID) -> HttpResponse:
    """Take a request back."""
    privacy.stop(actor=actor_of(request), request_id=privacy_id)
    messages.success(request, _("The request is taken back."))
    return redirect("users:my-data")


@login_required
@never_cache
@require_GET
def file(request: HttpRequest, privacy_id: uuid.UUID) -> HttpResponseBase:
    """Download the copy."""
    return download_response(actor=actor_of(request), request_id=privacy_id)
