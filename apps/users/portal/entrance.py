"""The door: who a session's person is, and the page at which one begins."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from django.http import HttpRequest, HttpResponseBase

from apps.users.models import User
from apps.users.selectors.factors import session_user
from apps.users.selectors.sso import Way, ways
from apps.users.services.sessions import emergency_end


class Entrance(AuthenticationBackend):
    """allauth's, whose `get_user` also learns whether a second factor is asked for, in the same query."""

    def get_user(self, user_id: Any) -> User | None:
        """The person, or None when they may not act. A service account acts by its tokens and has no session."""
        user = session_user(user_id)
        if user is None or user.kind != User.Kind.HUMAN or not self.user_can_authenticate(user):
            return None
        return user


class SignInForm(LoginForm):
    """allauth's, which gives every session its two weeks after everything else."""

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponseBase:
        """Sign in; a session of an emergency account keeps its early end."""
        response: HttpResponseBase = super().login(request, redirect_url=redirect_url)
        if isinstance(request.user, User) and request.user.is_emergency:
            request.session.set_expiry(emergency_end())
        return response


class WithWays:
    """A page of allauth's whose forms lead on to the providers."""

    ways: list[Way]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; the page's policy lets its forms lead on to the providers, and to nobody else."""
        self.ways = ways()
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        if origins := [way.origin for way in self.ways if way.origin]:
            response._csp_update = {"form-action": origins}  # type: ignore[attr-defined]
        return response


class DoorView(WithWays, LoginView):
    """allauth's page with our providers."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the ways in."""
        return {**super().get_context_data(**kwargs), "ways": self.ways}
