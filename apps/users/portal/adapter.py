"""How allauth behaves in this portal."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from aiwriter.core.clients import client_address
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of
from apps.users.services import sealing, sessions


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by administrators; what happens at the door goes into the audit record."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _(
            "This e-mail address and password do not belong together. Check both, or ask an administrator of the "
            "portal for a new password."
        ),
        "too_many_login_attempts": _(
            "Too many attempts to sign in. Wait five minutes and try again; the right password is refused until then, too."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """No: an open door would let strangers spend the installation's money."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that sign-in limits count by: the same rule as everywhere else."""
        return client_address(request.META)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Called when somebody is in."""
        response = super().post_login(request, user, **kwargs)
        sessions.note_sign_in(actor=Actor.for_user(user))
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Called when a password was wrong."""
        super().authentication_failed(request, **credentials)
        sessions.note_refused_sign_in(email=str(credentials.get("email") or ""))

    def logout(self, request: HttpRequest) -> None:
        """Called before the session ends."""
        sessions.note_sign_out(actor=actor_of(request))
        super().logout(request)

    def set_password(self, user: User, password: str) -> None:
        """Called when a person sets a new password."""
        super().set_password(user, password)
        sessions.note_password_change(actor=Actor.for_user(user), user=user)


class MFAAdapter(DefaultMFAAdapter):
    """Keeps the secrets of two-factor sign-in sealed."""

    def encrypt(self, text: str) -> str:
        """Called before a secret is stored."""
        return sealing.seal("mfa", text)

    def decrypt(self, encrypted_text: str) -> str:
        """Called when a secret is needed."""
        return sealing.unseal("mfa", encrypted_text)

    def get_totp_issuer(self) -> str:
        """The name that authenticator apps show."""
        return "AI-Writer"
