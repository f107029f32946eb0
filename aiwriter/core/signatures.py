"""Signatures of webhooks by the specification Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
_BYTES = 24


def new_secret() -> str:
    """A secret as receivers enter it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode("ascii")


def check_secret(secret: str) -> None:
    """Refuse what cannot sign.

    Raises:
        ValueError: it is no secret of the specification.
    """
    if not (secret.startswith(PREFIX) and _key(secret)):
        raise ValueError("not a signing secret")


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,…`.

    Args:
        secret: `whsec_…`.
        message_id: header `webhook-id`.
        timestamp: header `webhook-timestamp`, seconds since 1970.
        body: as it is sent.
    """
    digest = hmac.new(_key(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))
