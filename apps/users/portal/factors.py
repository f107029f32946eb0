"""Second factors in the portal: the page for who lacks one, and what allauth tells about changes."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa import signals
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from aiwriter.core.errors import FactorRequired, TooManyRequests
from apps.users.models import User
from apps.users.selectors.access import Actor, require_user
from apps.users.selectors.callers import actor_of
from apps.users.selectors.factors import duty_of, factors_of, require_factor
from apps.users.services import factors, limits

_CODES = limits.Door("code", 5, 300.0)


class _CountedCode:
    """Counts each code exactly before it is looked at; six digits would else be guessed by many clients at once."""

    user: User

    def clean_code(self) -> str:
        """Count, look, and give a right one back."""
        try:
            limits.require_attempt(_CODES, str(self.user.pk))
        except TooManyRequests as error:
            raise get_adapter().validation_error("too_many_login_attempts") from error
        code: str = super().clean_code()  # type: ignore[misc]
        limits.give_back(_CODES, str(self.user.pk))
        return code


class CodeForm(_CountedCode, AuthenticateForm):
    """The second step of signing in."""


class ProofCodeForm(_CountedCode, ReauthenticateForm):
    """A code as proof."""


class PasskeyForm(AddWebAuthnForm):
    """A new passkey; one that signs in alone, unless the person wants less."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = gettext_lazy("Name")
        box = self.fields["passwordless"]
        box.initial = True
        box.label = gettext_lazy("Sign in with it alone, without the password")
        box.help_text = gettext_lazy(
            "The device then asks for your finger, face or PIN. Without the tick it is a second step after the password."
        )


class RemovePasskeyView(RemoveWebAuthnView):
    """allauth's page, which would also remove the last passkey of somebody who has to have one."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Remove it, unless a rule asks for it."""
        authenticator: Authenticator = self.get_object()
        if not factors.may_remove(authenticator.user, str(authenticator.type)):
            messages.error(self.request, _("Your role asks for it. Add another one before you remove this."))
            return HttpResponseRedirect(reverse("mfa_list_webauthn"))
        return super().form_valid(form)


@login_required
@require_GET
def required(request: HttpRequest) -> HttpResponse:
    """What somebody meets whose role asks for a factor that this session has not shown."""
    actor = actor_of(request)
    user = require_user(actor)
    try:
        require_factor(user, request.session)
    except FactorRequired:
        context = {"duty": duty_of(user), "factors": [f for f in factors_of(actor=actor) if f.kind != "recovery_codes"]}
        return render(request, "users/factor_required.html", context)
    return redirect("/")


@receiver(signals.authenticator_added)
def _added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    # Whoever has just set it up has it at hand: the session counts as signed in with it.
    record_authentication(request, user, "mfa", id=authenticator.pk, type=str(authenticator.type))
    factors.note_added(
        actor=Actor.for_user(user), kind=str(authenticator.type), session_key=str(request.session.session_key)
    )


@receiver(signals.authenticator_removed)
def _removed(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    factors.note_removed(actor=Actor.for_user(user), kind=str(authenticator.type))


@receiver(signals.authenticator_reset)
def _reset(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    factors.note_added(
        actor=Actor.for_user(user), kind=str(authenticator.type), session_key=str(request.session.session_key)
    )


@receiver(signals.authentication_failed)
def _refused(user: User, **kwargs: Any) -> None:
    factors.note_wrong_code(user=user)
