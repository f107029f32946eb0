"""Small secrets, unreadable in the database and in files: AES-256-GCM with a key of the keyring.

    k1:<key id>:<base64url of nonce (12) | ciphertext | tag (16)>

The place where a secret stands (table, row and field) is authenticated with it: a secret that is copied to another row does
not open there. Older texts, `s1:…`, are sealed with a key derived from SECRET_KEY and are bound to their purpose only; they
are written while the keyring's stage is "expand" and read for good.
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from aiwriter.core import keyring
from aiwriter.core.errors import Unavailable

MARK, OLDER = "k1:", "s1:"
_NONCE = 12


def seal(place: str, text: str, *, older: str = "", key: keyring.Key | None = None) -> str:
    """Encrypt a text for one place.

    Args:
        place: table, row and field, "content_webhookendpoint:018f…:secret".
        text: any length that fits its column: the result is about 1.4 times as long, plus 60 characters.
        older: the purpose under which the version before reads it; used while the keyring's stage is "expand".
        key: seals instead of the active one.
    """
    ring = keyring.load()
    if older and key is None and ring.stage == "expand":
        return seal_older(older, text)
    used = key or ring.active("field")
    nonce = os.urandom(_NONCE)
    sealed = nonce + AESGCM(used.material).encrypt(nonce, text.encode(), _bound(place, used.id))
    return f"{MARK}{used.id}:{base64.urlsafe_b64encode(sealed).decode('ascii')}"


def unseal(place: str, sealed: str, *, older: str = "") -> str:
    """The text again.

    Args:
        place: where it stands.
        sealed: as `seal` made it.
        older: the purpose under which the version before sealed it.

    Raises:
        Unavailable: it was changed, or belongs to another place.
        KeyMissing: its key is not in the keyring.
    """
    if sealed.startswith(OLDER) and older:
        # Always: a backup of before the move may bring such a text back, and `keys rewrap` moves it again.
        return unseal_older(older, sealed)
    mark, _, rest = sealed.partition(":")
    key_id, _, blob = rest.partition(":")
    if f"{mark}:" != MARK:
        raise Unavailable("A stored secret is damaged.", remedy="Set the secret anew.")
    key = keyring.find(key_id)
    try:
        raw = base64.urlsafe_b64decode(blob)
        return AESGCM(key.material).decrypt(raw[:_NONCE], raw[_NONCE:], _bound(place, key_id)).decode()
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise Unavailable(
            "A stored secret cannot be opened: it was changed, or was put in another place.",
            remedy="Set the secret anew.",
        ) from error


def key_of(sealed: str) -> str:
    """The id of the key that opens a text; "" for the older form and for what is not sealed."""
    return sealed[len(MARK) :].partition(":")[0] if sealed.startswith(MARK) else ""


def is_sealed(text: str) -> bool:
    """Whether a text has one of the two forms."""
    return text.startswith((MARK, OLDER))


def seal_older(purpose: str, text: str) -> str:
    """Encrypt as the version before the keyring did."""
    nonce = os.urandom(_NONCE)
    sealed = nonce + AESGCM(_older_key(purpose, settings.SECRET_KEY)).encrypt(nonce, text.encode(), purpose.encode())
    return OLDER + base64.urlsafe_b64encode(sealed).decode("ascii")


def unseal_older(purpose: str, sealed: str) -> str:
    """Open what the version before the keyring sealed.

    Raises:
        Unavailable: it was changed, or the portal's secret key is another one than when it was sealed.
    """
    try:
        raw = base64.urlsafe_b64decode(sealed.removeprefix(OLDER))
        key = _older_key(purpose, settings.SECRET_KEY)
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode()).decode()
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise Unavailable(
            "A stored secret cannot be opened.",
            remedy="Start the portal with the secret key that it had before, or set the secret anew.",
        ) from error


def _bound(place: str, key_id: str) -> bytes:
    return f"{MARK}{key_id}:{place}".encode()


@lru_cache(maxsize=8)
def _older_key(purpose: str, secret_key: str) -> bytes:
    info = f"apps.users.sealing.{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret_key.encode())
