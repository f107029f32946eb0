"""Signed, expiring tokens for one purpose each: download links, stream tickets, cursors."""

from __future__ import annotations

import time
from typing import Any

from django.core import signing

from aiwriter.core.errors import InvalidInput, PermissionDenied


def sign(purpose: str, payload: dict[str, Any], *, seconds: int) -> str:
    """Sign a payload.

    Args:
        purpose: "stream-ticket", "file-link", …; a token of one purpose is refused for another.
        payload: JSON-able values.
        seconds: how long it is valid.
    """
    return signing.dumps({**payload, "_exp": int(time.time()) + seconds}, salt=f"aiwriter.{purpose}", compress=True)


def unsign(purpose: str, token: str) -> dict[str, Any]:
    """The payload of a token.

    Raises:
        InvalidInput: it was changed, or made for something else.
        PermissionDenied: it has expired.
    """
    try:
        payload: dict[str, Any] = signing.loads(token, salt=f"aiwriter.{purpose}")
    except signing.BadSignature as error:
        raise InvalidInput("This link is not valid.", remedy="Open the page again to get a new one.") from error
    if payload.pop("_exp", 0) < time.time():
        raise PermissionDenied("This link has expired.", remedy="Open the page again to get a new one.")
    return payload
