"""Asks a person to show once more who they are, and then does what they had wanted to do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.core.internal.httpkit import deserialize_request, serialize_request
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import resolve, reverse
from django.utils.http import urlencode

from aiwriter.core.errors import FactorRequired, ProofRequired
from aiwriter.core.views import error_response
from apps.users.models import User
from apps.users.selectors import consents
from apps.users.selectors.factors import REQUIRED_PAGE, require_factor
from apps.users.services import sealing

_PURPOSE = "suspended-form"
_LARGEST_FORM = 64 * 1024
# Here a person sets up the factor that they lack, or leaves.
_OPEN_WITHOUT_FACTOR = ("/accounts/", REQUIRED_PAGE, "/sessions/", "/admin/logout/")
# Here a person answers, sees to their data, or leaves.
_OPEN_WITHOUT_CONSENT = ("/accounts/", "/privacy/", "/sign-in/", "/sessions/", "/invitations/", "/admin/logout/")
_SEEN_EVERY = 300.0
_SEEN = "seen"


class SessionGuardMiddleware:
    """Keeps sessions to the rules: the second factor that a role asks for, what people are asked to agree to, and a fresh
    proof for grave acts.

    The API asks for the factor where it reads the session (`PortalSessionAuthentication`); it says so in JSON.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Note that the session is in use, and answer."""
        user = request.user
        if isinstance(user, User) and time.time() - float(request.session.get(_SEEN, 0)) > _SEEN_EVERY:
            # Written every few minutes only: a write with each request would queue all readers behind SQLite's lock.
            # It also enters a session into the list that is not in it: what is not listed cannot be ended from elsewhere.
            request.session[_SEEN] = int(time.time())
            UserSession.objects.create_from_request(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *args: Any) -> HttpResponse | None:
        """Refuse a page to a session that lacks the factor its person's role asks for."""
        user = request.user
        if not isinstance(user, User) or request.path.startswith(("/api/", "/mcp", "/v1/")):
            return None
        if request.path.startswith(_OPEN_WITHOUT_FACTOR):
            return None
        try:
            require_factor(user, request.session)
        except FactorRequired as error:
            if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
                return error_response(request, error)
            return HttpResponseRedirect(REQUIRED_PAGE)
        return _ask_consent(request, user)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Send a person whose proof is too old to the page where they give it anew."""
        if not isinstance(exception, ProofRequired) or request.path.startswith("/api/"):
            return None
        if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
            return error_response(request, exception)
        return ask_again(request)


def _ask_consent(request: HttpRequest, user: User) -> HttpResponse | None:
    """Lead a person to what they have not answered yet. Accounts for emergencies are let through: nothing may hold them up."""
    if not getattr(user, "consent_asked", False) or user.is_emergency:
        return None
    if request.path.startswith(_OPEN_WITHOUT_CONSENT):
        return None
    if request.method != "GET" or request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        # A page that was open when the text was published goes on saving; its next one asks.
        return None
    return HttpResponseRedirect(f"{consents.PAGE}?{urlencode({'next': request.get_full_path()})}")


def ask_again(request: HttpRequest) -> HttpResponse:
    """Keep what was sent, sealed, and lead to the page that asks who is there."""
    state: dict[str, str] = {"path": request.get_full_path()}
    if request.method == "POST" and not request.FILES:
        form = serialize_request(request)
        if len(form) <= _LARGEST_FORM:
            # It may hold secrets that were typed: nothing of it stands in the session's row in clear.
            state["form"] = sealing.seal(_PURPOSE, form)
    elif request.method == "POST":
        state["path"] = request.headers.get("Referer") or request.path
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    if not methods:
        request.session[STATE_SESSION_KEY] = None
        return HttpResponseRedirect(reverse("users:sign-in-again") + f"?next={request.path}")
    request.session[STATE_SESSION_KEY] = {"state": state, "callback": "apps.users.portal.proof.resume"}
    return HttpResponseRedirect(methods[0]["url"])


def resume(request: HttpRequest, state: dict[str, str]) -> HttpResponse:
    """Called after the proof: send the kept form as if it had just been sent, or go back to the page."""
    path = state["path"]
    if not get_adapter(request).is_safe_url(path):
        path = "/"
    if "form" not in state:
        return HttpResponseRedirect(path)
    sealed = sealing.unseal(_PURPOSE, state["form"])
    kept = json.loads(sealed)
    again = deserialize_request(sealed, request)
    found = resolve(kept["path_info"])
    again.resolver_match = found
    return found.func(again, *found.args, **found.kwargs)
