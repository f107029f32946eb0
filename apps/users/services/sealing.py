"""Keeps small secrets unreadable in the database."""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from aiwriter.core.errors import Unavailable

_VERSION = "s1:"


def seal(purpose: str, text: str) -> str:
    """Encrypt a text for one purpose.

    Args:
        purpose: "totp"; the key is derived for it, and a text sealed for another one does not open.
        text: any length that fits its column: the result is about 1.4 times as long, plus 42 characters.
    """
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(_key(purpose)).encrypt(nonce, text.encode(), purpose.encode())
    return _VERSION + base64.urlsafe_b64encode(sealed).decode("ascii")


def unseal(purpose: str, sealed: str) -> str:
    """The text again.

    Raises:
        Unavailable: it was changed, or the portal's secret key is another one than when it was sealed.
    """
    try:
        raw = base64.urlsafe_b64decode(sealed.removeprefix(_VERSION))
        return AESGCM(_key(purpose)).decrypt(raw[:12], raw[12:], purpose.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise Unavailable(
            "A stored secret cannot be opened.",
            remedy="Start the portal with the secret key that it had before, or set the secret anew.",
        ) from error


def _key(purpose: str) -> bytes:
    info = f"apps.users.sealing.{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(settings.SECRET_KEY.encode())
