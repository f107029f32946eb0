"""The page behind an invitation's link."""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from aiwriter.core.clients import client_address, network_of
from aiwriter.core.errors import AppError, NotFound
from apps.users.portal.forms import AcceptForm, add_app_error
from apps.users.services import invitations
from apps.users.services.limits import require_visitor

_OPENINGS_A_MINUTE = 30


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a name and a password, and be in."""
    require_visitor(network_of(client_address(request.META)), amount=_OPENINGS_A_MINUTE)
    if request.user.is_authenticated:
        return redirect("/")
    invitation = invitations.open_invitation(token=token)
    form = AcceptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = invitations.accept_invitation(token=token, **form.cleaned_data)
        except NotFound:
            raise
        except AppError as error:
            add_app_error(form, error)
        else:
            return perform_password_login(request, {"email": user.email}, Login(user=user, redirect_url="/"))
    context = {"invitation": invitation, "form": form}
    return render(request, "users/invitation.html", context, status=400 if form.is_bound else 200)
