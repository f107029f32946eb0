"""Where a person is signed in, and the door that sends them in again."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.users.selectors.callers import actor_of
from apps.users.selectors.sessions import own_sessions
from apps.users.services import sessions


@login_required
@require_http_methods(["GET", "POST"])
def session_list(request: HttpRequest) -> HttpResponse:
    """The open sessions; a POST ends all others."""
    actor = actor_of(request)
    key = str(request.session.session_key)
    if request.method == "POST":
        ended = sessions.end_own_sessions(actor=actor, except_key=key)
        messages.success(request, _("Sessions ended: %(number)s.") % {"number": ended})
        return redirect("users:sessions")
    return render(request, "users/sessions.html", {"sessions": own_sessions(actor=actor, current_key=key)})


@login_required
@require_POST
def end(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one."""
    sessions.end_own_session(actor=actor_of(request), session_id=session_id)
    messages.success(request, _("The session has ended. That browser has to sign in again."))
    return redirect("users:sessions")


@login_required
@require_GET
def old_address(request: HttpRequest) -> HttpResponse:
    """allauth's address of the list."""
    return redirect("users:sessions")


@login_required
@require_http_methods(["GET", "POST"])
def sign_in_again(request: HttpRequest) -> HttpResponse:
    """For somebody with neither password nor factor here: they come in through the door that they came by."""
    after = request.GET.get("next", "/")
    if not get_adapter(request).is_safe_url(after):
        after = "/"
    if request.method == "POST":
        get_adapter(request).logout(request)
        return redirect(f"{reverse('account_login')}?{urlencode({'next': after})}")
    return render(request, "users/sign_in_again.html", {"after": after})
