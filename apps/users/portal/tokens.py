"""The person's API tokens."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.errors import AppError
from apps.users.portal.forms import TokenForm, add_app_error
from apps.users.selectors.access import capabilities_of, workspaces_of
from apps.users.selectors.belongings import tokens_of
from apps.users.selectors.callers import actor_of
from apps.users.services import tokens


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """List them and make new ones; the text of a new one is on the answering page and nowhere else."""
    actor = actor_of(request)
    rows = tokens_of(actor=actor)
    form = TokenForm(
        request.POST or None,
        scopes=capabilities_of(actor),
        workspaces=[(str(w.pk), w.name) for w in workspaces_of(actor)],
    )
    made = secret = None
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            places = [each for each in values["networks"].replace(",", " ").split() if each]
            wanted = {**values, "workspace": values["workspace"] or None, "networks": places}
            made, secret = tokens.create_token(actor=actor, **wanted)
        except AppError as error:
            add_app_error(form, error)
    context = {"tokens": rows, "form": form, "made": made, "secret": secret.reveal() if secret else ""}
    return render(request, "users/tokens.html", context, status=400 if form.is_bound and not made else 200)


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Revoke one."""
    token = tokens.revoke_own_token(actor=actor_of(request), token_id=token_id)
    messages.success(request, _("The API key “%(name)s” no longer works.") % {"name": token.name})
    return redirect("users:tokens")
