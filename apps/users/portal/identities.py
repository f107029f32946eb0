"""Which providers a person has connected, and the two ends of going to one."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.providers.openid_connect import views as oidc
from allauth.socialaccount.providers.saml import views as saml
from allauth.socialaccount.views import ConnectionsView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.clients import client_address, network_of
from aiwriter.core.errors import NotFound, TooLarge
from apps.users.portal.entrance import WithWays
from apps.users.selectors.sso import ways
from apps.users.services.limits import require_visitor

_ANSWERS_A_MINUTE = 60
_LARGEST_ANSWER = 256 * 1024


class IdentitiesView(WithWays, ConnectionsView):
    """allauth's page with our providers: those connected, and those that could be."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the ways that are not connected yet."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        accounts = list(self.request.user.socialaccount_set.order_by("date_joined"))
        present = {account.provider for account in accounts}
        names = {way.slug: way.name for way in self.ways}
        context["identities"] = [(account, names.get(account.provider, account.provider)) for account in accounts]
        context["ways"] = [way for way in self.ways if way.slug not in present]
        return context


@require_http_methods(["GET", "POST"])
def to_oidc(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Lead to an OpenID Connect provider, from a form of ours only."""
    return _back(request) or oidc.login(request, provider_id=provider_id)


@require_http_methods(["GET", "POST"])
def to_saml(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Lead to a SAML provider, from a form of ours only."""
    return _back(request) or saml.login(request, organization_slug=organization_slug)


@csrf_exempt
@require_POST
def from_saml(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Take a SAML provider's answer, which comes from its page and not from ours.

    allauth keeps it until the next request, before it knows anything of it; so what it keeps is bounded here.
    """
    require_visitor(network_of(client_address(request.META)), amount=_ANSWERS_A_MINUTE)
    if organization_slug not in {way.slug for way in ways()}:
        raise NotFound("There is no such sign-in provider.")
    if len(request.body) > _LARGEST_ANSWER:
        raise TooLarge("A SAML answer is not that large.", remedy="Ask the provider's administrator to send less.")
    return saml.acs(request, organization_slug=organization_slug)


def _back(request: HttpRequest) -> HttpResponse | None:
    # A link of another site must not begin a sign-in: whoever follows it would find themselves in an account that is not
    # the one they meant.
    if request.method == "POST":
        return None
    after = request.GET.get("next")
    return HttpResponseRedirect(reverse("account_login") + (f"?{urlencode({'next': after})}" if after else ""))
