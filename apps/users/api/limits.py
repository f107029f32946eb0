"""Rate limits of the REST API, and the headers that tell of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.users.selectors.callers import actor_of
from apps.users.services import limits


class RateThrottle(BaseThrottle):
    """Counts the request of a token and of its person; asked by DRF after authentication and permission."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Let it through.

        Raises:
            TooManyRequests: it is one too many.
        """
        allowance = limits.take(actor_of(request))
        request._request.rate_allowance = allowance  # type: ignore[attr-defined]
        if allowance is not None and not allowance.passed:
            raise limits.refusal(allowance)
        return True


class RateHeadersMiddleware:
    """Adds what is left of the limit to the answer, refusals included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, then tell."""
        response = self.get_response(request)
        allowance: limits.Allowance | None = getattr(request, "rate_allowance", None)
        if allowance is not None:
            for name, value in limits.headers(allowance).items():
                response.headers[name] = value
        return response
