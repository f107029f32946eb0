"""How allauth's OpenID Connect and SAML behave in this portal."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount import signals
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import gettext as _

from aiwriter.core.egress_requests import GuardedSession
from aiwriter.core.errors import AppError, NotAuthenticated
from aiwriter.core.views import error_response
from apps.users.models import SignInProvider, User
from apps.users.selectors.access import Actor
from apps.users.services import identities, sso

_TYPES = {SignInProvider.Kind.OIDC: "openid_connect", SignInProvider.Kind.SAML: "saml"}


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Providers are our rows, requests go through the guard, and nobody becomes somebody else by an e-mail address."""

    def get_requests_session(self) -> GuardedSession:
        """For every request to a provider."""
        return GuardedSession()

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Our providers in the shape that allauth knows; never stored in it."""
        rows = SignInProvider.objects.filter(enabled=True)
        apps = [_app(row) for row in rows if provider in (None, _TYPES[SignInProvider.Kind(row.kind)], row.slug)]
        return [app for app in apps if client_id in (None, app.client_id)]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """No: who gets an account is settled before allauth asks."""
        return False

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """Never."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Called when a provider has said who somebody is, before they are in."""
        row = SignInProvider.objects.get(slug=sociallogin.account.provider, enabled=True)
        try:
            claims = _claims(row, sociallogin)
            if sociallogin.state.get("process") == AuthProcess.CONNECT:
                return
            with transaction.atomic():
                if not sociallogin.is_existing:
                    self._admit(row, sociallogin)
                if sociallogin.user is not None:
                    identities.settle_roles(provider=row, user=sociallogin.user, groups=_groups(row, claims))
        except AppError as error:
            raise ImmediateHttpResponse(error_response(request, error)) from error

    @staticmethod
    def _admit(row: SignInProvider, sociallogin: SocialLogin) -> None:
        stated = sociallogin.email_addresses[0] if sociallogin.email_addresses else EmailAddress(email="")
        suggested = sociallogin.user
        # A SAML assertion is signed by the organisation itself; in OpenID Connect the claim says whether it is sure.
        confirmed = bool(stated.verified) or row.kind == SignInProvider.Kind.SAML
        user = identities.admit(
            provider=row,
            email=stated.email or "",
            confirmed=confirmed,
            full_name=getattr(suggested, "full_name", "") or "",
        )
        sociallogin.user = sociallogin.account.user = user
        sociallogin.account.save()
        identities.note_connected(actor=Actor.for_user(user), provider=row)

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """What a new account would be called."""
        user = super().populate_user(request, sociallogin, data)
        name = data.get("name") or " ".join(filter(None, (data.get("first_name"), data.get("last_name"))))
        user.full_name = str(name or "")[:150]
        return user


def _app(row: SignInProvider) -> SocialApp:
    if row.kind == SignInProvider.Kind.OIDC:
        return SocialApp(
            provider="openid_connect",
            provider_id=row.slug,
            name=row.name,
            client_id=row.client_id,
            secret=sso.reveal_secret(row),
            settings={"server_url": row.issuer.rstrip("/"), "oauth_pkce_enabled": True, "scope": row.scopes.split()},
        )
    return SocialApp(
        provider="saml",
        provider_id=row.slug,
        name=row.name,
        client_id=row.slug,
        settings={
            "idp": {"entity_id": row.issuer, "sso_url": row.sso_url, "x509cert": row.certificate},
            "advanced": {
                "strict": True,
                "want_assertion_signed": True,
                "want_name_id": True,
                "reject_idp_initiated_sso": True,
                "reject_deprecated_algorithm": True,
                "allow_single_label_domains": True,
                "allow_repeat_attribute_name": True,
            },
            "attribute_mapping": {
                "email": [
                    "email",
                    "mail",
                    "urn:oid:0.9.2342.19200300.100.1.3",
                    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
                ],
                "first_name": [
                    "firstName",
                    "givenName",
                    "urn:oid:2.5.4.42",
                    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
                ],
                "last_name": [
                    "lastName",
                    "sn",
                    "urn:oid:2.5.4.4",
                    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
                ],
            },
        },
    )


def _claims(row: SignInProvider, sociallogin: SocialLogin) -> dict[str, Any]:
    """What the provider says of the person, after a look at who says it of whom.

    Raises:
        NotAuthenticated: the answer is another issuer's, or about two people.
    """
    data: dict[str, Any] = dict(sociallogin.account.extra_data or {})
    if row.kind == SignInProvider.Kind.SAML:
        return data
    token, answer = data.get("id_token") or {}, data.get("userinfo") or {}
    if token.get("iss") != row.issuer or not token.get("sub"):
        raise NotAuthenticated(_("The answer did not come from the provider that was asked."), remedy=_("Try again."))
    if answer and answer.get("sub") != token["sub"]:
        raise NotAuthenticated(_("The provider spoke of two people at once."), remedy=_("Try again."))
    return {**token, **answer}


def _groups(row: SignInProvider, claims: dict[str, Any]) -> list[str]:
    value = claims.get(row.groups_claim) or []
    return [str(one)[:200] for one in ([value] if isinstance(value, str) else value)]


@receiver(signals.social_account_added)
def _connected(request: HttpRequest, sociallogin: SocialLogin, **kwargs: Any) -> None:
    row = SignInProvider.objects.filter(slug=sociallogin.account.provider).first()
    if row and isinstance(sociallogin.user, User):
        identities.note_connected(actor=Actor.for_user(sociallogin.user), provider=row)


@receiver(signals.social_account_removed)
def _disconnected(request: HttpRequest, socialaccount: SocialAccount, **kwargs: Any) -> None:
    if isinstance(request.user, User):
        identities.note_disconnected(actor=Actor.for_user(request.user), provider=socialaccount.provider)
