"""Sign-in providers: which there are, and what a browser is told of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.users.models import RoleRule, SignInMode, SignInProvider, User
from apps.users.selectors.access import Actor, require_sight


@dataclass(frozen=True, slots=True)
class Way:
    """A way in that the sign-in page offers."""

    slug: str
    name: str
    address: str
    origin: str


def ways() -> list[Way]:
    """The providers in use, for whoever stands at the door."""
    return [
        Way(provider.slug, provider.name, address_of(provider), provider.authorization_origin)
        for provider in SignInProvider.objects.filter(enabled=True)
    ]


def refuses_without_provider(user: User, shown: list[dict[str, Any]]) -> bool:
    """Whether somebody has come by a way that is closed: without a provider, where only those are open.

    Args:
        user: who they say they are.
        shown: by what the browser has shown it.
    """
    if user.is_emergency or not SignInMode.current().providers_only:
        return False
    return not any(record.get("method") == "socialaccount" for record in shown)


def address_of(provider: SignInProvider) -> str:
    """Where a sign-in through it begins."""
    return f"/accounts/{provider.kind}/{provider.slug}/login/"


def addresses_to_register(provider: SignInProvider) -> dict[str, str]:
    """What the provider's own administrator has to be told, by the name that their form gives it."""
    start = f"{settings.PUBLIC_URL}/accounts/{provider.kind}/{provider.slug}"
    if provider.kind == SignInProvider.Kind.OIDC:
        return {"redirect_uri": f"{start}/login/callback/"}
    return {"acs_url": f"{start}/acs/", "entity_id": f"{start}/metadata/", "metadata_url": f"{start}/metadata/"}


def providers(*, actor: Actor) -> QuerySet[SignInProvider]:
    """All providers. Needs "users.manage" or "audit.read"."""
    require_sight(actor)
    return SignInProvider.objects.prefetch_related("rules__workspace")


def get_provider(*, actor: Actor, provider_id: uuid.UUID | str) -> SignInProvider:
    """One provider.

    Raises:
        NotFound: there is none.
    """
    found = providers(actor=actor).filter(pk=provider_id).first()
    if found is None:
        raise NotFound("There is no such sign-in provider.")
    return found


def get_rule(*, actor: Actor, provider_id: uuid.UUID | str, role_rule_id: uuid.UUID | str) -> RoleRule:
    """One rule of a provider.

    Raises:
        NotFound: there is none.
    """
    found = RoleRule.objects.select_related("provider", "workspace").filter(pk=role_rule_id).first()
    if found is None or found.provider_id != get_provider(actor=actor, provider_id=provider_id).pk:
        raise NotFound("There is no such rule.")
    return found


def mode(*, actor: Actor) -> SignInMode:
    """Whether people may sign in without a provider. Needs "users.manage" or "audit.read"."""
    require_sight(actor)
    found: SignInMode = SignInMode.current()
    return found
