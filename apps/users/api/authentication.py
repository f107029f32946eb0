"""Who calls the API: a program with a token, or the portal's own pages with their session."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from aiwriter.core import context
from aiwriter.core.clients import client_address
from apps.users.models import ApiToken, User
from apps.users.selectors.callers import actor_of
from apps.users.selectors.factors import require_factor
from apps.users.services import tokens

__all__ = ["PortalSessionAuthentication", "TokenAuthentication", "actor_of"]


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer aiw_…`. The row is read on every call, so a revoked token is refused at once."""

    keyword = "bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The token's person; None leaves the request to the next method."""
        keyword, _, raw = request.headers.get("Authorization", "").partition(" ")
        if keyword.lower() != self.keyword:
            return None
        actor = tokens.authenticate(raw.strip(), client_address(request.META))
        if actor is None or actor.user is None or actor.token is None:
            raise AuthenticationFailed("The token is not valid: unknown, revoked or expired.")
        context.actor_id.set(actor.id)
        return actor.user, actor.token

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return 'Bearer realm="AI-Writer"'


class PortalSessionAuthentication(SessionAuthentication):
    """The portal's session cookie, with Django's CSRF check on writes."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The signed-in person; None when nobody is.

        Raises:
            FactorRequired: their role asks for a second factor that the session has not shown.
        """
        found = super().authenticate(request)
        if found:
            require_factor(found[0], request._request.session)
            context.actor_id.set(f"user:{found[0].pk}")
        return found


class TokenScheme(OpenApiAuthenticationExtension):
    """Tokens in OpenAPI."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The scheme."""
        return {"type": "http", "scheme": "bearer", "description": "An API token, aiw_…"}


class SessionScheme(OpenApiAuthenticationExtension):
    """The session in OpenAPI."""

    target_class = PortalSessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The scheme."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
