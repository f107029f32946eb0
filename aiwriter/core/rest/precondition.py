"""ETag and If-Match: nobody overwrites what they have not seen."""

from __future__ import annotations

from django.http import HttpResponseBase
from rest_framework.request import Request

from aiwriter.core.errors import InvalidInput, PreconditionFailed


def etag(revision: object) -> str:
    """The entity tag of a revision, quotes included."""
    return f'"{revision}"'


def set_etag(response: HttpResponseBase, revision: object) -> HttpResponseBase:
    """Name the revision in an answer."""
    response.headers["ETag"] = etag(revision)
    return response


def expected_revision(request: Request) -> str | None:
    """The revision that the client has seen, from If-Match; None when it does not say or says "*".

    Raises:
        InvalidInput: it is not one strong entity tag.
    """
    text = request.headers.get("If-Match", "").strip()
    if not text or text == "*":
        return None
    if len(text) < 2 or text[0] != '"' or text[-1] != '"' or '"' in text[1:-1]:
        raise InvalidInput("If-Match is not one entity tag.", field="If-Match", remedy="Send the ETag as you got it.")
    return text[1:-1]


def require_match(request: Request, revision: object) -> None:
    """Refuse a change of something that has changed since the client read it.

    Args:
        request: its If-Match is compared.
        revision: what is stored now.

    Raises:
        InvalidInput: there is no If-Match.
        PreconditionFailed: it names another revision.
    """
    if request.headers.get("If-Match", "").strip() == "*":
        return
    seen = expected_revision(request)
    if seen is None:
        raise InvalidInput(
            "If-Match is missing.", field="If-Match", remedy="Read it first and send its ETag as If-Match."
        )
    if seen != str(revision):
        raise PreconditionFailed(
            "It has changed since you read it.", field="If-Match", remedy="Read it again and repeat your change."
        )
