"""Who acts in a request."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from apps.users.models import ApiToken, User
from apps.users.selectors.access import Actor


def actor_of(request: Request | HttpRequest) -> Actor:
    """Who acts in a request of DRF or of Django; the anonymous actor when nobody is signed in."""
    token = getattr(request, "auth", None)
    if isinstance(token, ApiToken):
        return Actor.for_token(token)
    user = request.user
    return Actor.for_user(user) if isinstance(user, User) and user.is_active else Actor.anonymous()
