"""How allauth behaves in this portal."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import date
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from aiwriter.core.clients import client_address
from aiwriter.core.errors import TooManyRequests
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of, is_proven, proofs
from apps.users.selectors.factors import duty_of, has_shown
from apps.users.selectors.sso import refuses_without_provider
from apps.users.services import factors, limits, sealing, sessions
from apps.users.services.sessions import emergency_end

# Wrong passwords: of one account, whoever tries; and from one address, whatever account is tried.
_OF_ACCOUNT = limits.Door("sign-in", 5, 300.0)
_OF_ADDRESS = limits.Door("network-door", 10, 60.0)


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

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Called when password, passkey or provider has said who it is, before any second step."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is None and refuses_without_provider(user, proofs(request.session, user)):
            sessions.note_refused_sign_in(email=user.email)
            clear_login(request)
            messages.error(request, gettext("People sign in through their organisation here. Use its button."))
            response = redirect("account_login")
        return response

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Called when somebody is in."""
        response = super().post_login(request, user, **kwargs)
        sessions.note_sign_in(actor=Actor.for_user(user))
        if user.is_emergency:
            sessions.note_emergency(actor=Actor.for_user(user))
            request.session.set_expiry(emergency_end())
        duty = duty_of(user)
        if duty and not has_shown(request.session, user, duty.strength):
            text = gettext("Your role asks for a second factor from %(day)s on. Set it up on your profile's page.")
            messages.warning(request, text % {"day": date(duty.due_at, "Y-m-d")})
        return response

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Called before a password is looked at: counts the attempt, exactly, in one statement.

        allauth's own counter is read and written back in two steps.
        """
        account = str(credentials.get("email") or "").strip().lower()
        self._counted = [(_OF_ACCOUNT, account), (_OF_ADDRESS, self.get_client_ip(request))]
        try:
            for door, key in self._counted:
                limits.require_attempt(door, key)
        except TooManyRequests as error:
            raise self.validation_error("too_many_login_attempts") from error

    def _rollback_login_failed_rl_usage(self) -> None:
        """Called when the password was right: only wrong ones count, and a right one forgives none before it."""
        for door, key in self._counted:
            limits.give_back(door, key)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whether a person has to show once more who they are before they change how they sign in.

        Who has just signed in is not asked again: the rule is the one of all grave acts.
        """
        request = self.request
        return not (isinstance(request.user, User) and is_proven(request.session, request.user))

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

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Not the last one that a rule asks for."""
        return factors.may_remove(authenticator.user, str(authenticator.type))

    def get_totp_issuer(self) -> str:
        """The name that authenticator apps show."""
        return "AI-Writer"

    def _get_site_name(self) -> str:
        """The name that passkeys are kept under."""
        return "AI-Writer"
