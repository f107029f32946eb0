"""Which of a hundred parts a person belongs to: for canary releases in the proxy, and for flags in the portal.

A cookie carries the number, so that a proxy can send 5 % of the *people* to a new version, and the same people at the
next request. From SHA-256, because simpler sums are uneven over ids that follow each other.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "aw_bucket"
BUCKETS = 100
_YEAR = 365 * 86400


def bucket_of(subject: str, *, salt: str = COOKIE) -> int:
    """The number from 0 to 99.

    Args:
        subject: whom it is for: the id of a user.
        salt: another one makes numbers that are independent of the first.
    """
    digest = hashlib.sha256(f"{salt}:{subject}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


class BucketMiddleware:
    """Sets the cookie on pages: by the person who is signed in, at random for a visitor without one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; programs of the API get no cookie."""
        response = self.get_response(request)
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            return response
        given = request.COOKIES.get(COOKIE, "")
        # Only when the page has asked who it is: this must not be the one who reads the session.
        person = getattr(request, "_cached_user", None)
        if person is not None and person.is_authenticated:
            wanted = str(bucket_of(str(person.pk)))
        elif given.isascii() and given.isdigit() and int(given) < BUCKETS and len(given) <= 2:
            return response
        else:
            wanted = str(secrets.randbelow(BUCKETS))
        if given != wanted:
            response.set_cookie(
                COOKIE,
                wanted,
                max_age=_YEAR,
                httponly=True,
                samesite="Lax",
                secure=bool(settings.SESSION_COOKIE_SECURE),
            )
        return response
