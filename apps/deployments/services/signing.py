"""Ed25519 as `aw-deployd` does it: keys and signatures in base64. The console signs plans, a pipeline signs releases."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def new_key() -> tuple[str, str]:
    """A private and a public key."""
    key = Ed25519PrivateKey.generate()
    return _text(key.private_bytes_raw()), _text(key.public_key().public_bytes_raw())


def sign(data: bytes, private: str) -> str:
    """The signature."""
    return _text(Ed25519PrivateKey.from_private_bytes(base64.b64decode(private)).sign(data))


def signer(data: bytes, signature: str, trusted: Iterable[str]) -> str:
    """The trusted key that signed the data, or ""."""
    for public in trusted:
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
            key.verify(base64.b64decode(signature, validate=True), data)
        except (InvalidSignature, ValueError, binascii.Error):
            continue
        return public
    return ""


def is_key(public: str) -> bool:
    """Whether a text is a public key."""
    try:
        return len(base64.b64decode(public, validate=True)) == 32
    except (ValueError, binascii.Error):
        return False


def spelled(values: Mapping[str, Any]) -> bytes:
    """The one spelling of a plan: what the agent makes of it again must be the same bytes."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of the one spelling."""
    return hashlib.sha256(spelled(values)).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
