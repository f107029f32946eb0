"""Signed, expiring tokens for one purpose each: download links, stream tickets, cursors."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core import signing

from aiwriter.core import keyring
from aiwriter.core.errors import InvalidInput, PermissionDenied


def sign(purpose: str, payload: dict[str, Any], *, seconds: int) -> str:
    """Sign a payload.

    Args:
        purpose: "stream-ticket", "file-link", …; a token of one purpose is refused for another.
        payload: JSON-able values.
        seconds: how long it is valid.
    """
    key, _ = _keys()
    whole = {**payload, "_exp": int(time.time()) + seconds}
    return signing.dumps(whole, key=key, salt=f"aiwriter.{purpose}", compress=True)


def unsign(purpose: str, token: str) -> dict[str, Any]:
    """The payload of a token.

    Raises:
        InvalidInput: it was changed, or made for something else.
        PermissionDenied: it has expired.
    """
    try:
        key, others = _keys()
        payload: dict[str, Any] = signing.loads(token, key=key, salt=f"aiwriter.{purpose}", fallback_keys=others)
    except signing.BadSignature as error:
        raise InvalidInput("This link is not valid.", remedy="Open the page again to get a new one.") from error
    if payload.pop("_exp", 0) < time.time():
        raise PermissionDenied("This link has expired.", remedy="Open the page again to get a new one.")
    return payload


def _keys() -> tuple[str, list[str | bytes]]:
    """What signs now, and what else is believed: links of yesterday outlive a rotation of the key."""
    try:
        ring = keyring.load()
    except keyring.RingMissing:
        return settings.SECRET_KEY, []
    if ring.stage == "expand":
        # The version before may serve beside this one, and knows the secret key only.
        return settings.SECRET_KEY, [key.material.hex() for key in ring.of("url") if key.usable]
    active = ring.active("url")
    others: list[str | bytes] = [key.material.hex() for key in ring.of("url") if key.usable and key.id != active.id]
    return active.material.hex(), [*others, settings.SECRET_KEY]
