"""Signed statements about a record."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aiwriter.core.ledger.chain import FORM


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed statement: up to this number the record is this.

    Args:
        seq, hash, root: of the last event that it covers.
        made_at: when.
        ledger: names the installation's record.
        previous: digest of the checkpoint before, "" for the first.
        key_id: which key signed.
        signature: base64.
    """

    seq: int
    hash: str
    root: str
    made_at: str
    ledger: str
    previous: str
    key_id: str
    signature: str = ""

    @property
    def payload(self) -> bytes:
        """What is signed."""
        facts = {
            "form": FORM,
            "hash": self.hash,
            "key_id": self.key_id,
            "ledger": self.ledger,
            "made_at": self.made_at,
            "previous": self.previous,
            "root": self.root,
            "seq": self.seq,
        }
        return b"aiwriter-ledger-checkpoint\n" + orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)

    @property
    def digest(self) -> str:
        """Names the checkpoint in the next one."""
        return hashlib.sha256(self.payload).hexdigest()

    def as_json(self, public_key: str = "") -> dict[str, Any]:
        """As it is delivered."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {"kind": "aiwriter-ledger-checkpoint", "form": FORM, **found, "public_key": public_key}


def checkpoint_from(document: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint as it was delivered.

    Raises:
        ValueError: it is not one.
    """
    if document.get("kind") != "aiwriter-ledger-checkpoint" or document.get("form") != FORM:
        raise ValueError("it is not a checkpoint of an audit record")
    try:
        return Checkpoint(**{name: document[name] for name in Checkpoint.__slots__})
    except (KeyError, TypeError) as error:
        raise ValueError(f"it lacks {error}") from None


def sign(seed: bytes, checkpoint: Checkpoint) -> str:
    """The signature of a checkpoint."""
    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).sign(checkpoint.payload)).decode()


def public_key(seed: bytes) -> str:
    """What verifies the signatures, base64."""
    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()).decode()


def is_signed(checkpoint: Checkpoint, public: str) -> bool:
    """Whether a public key confirms a checkpoint."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(checkpoint.signature, validate=True), checkpoint.payload)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_document(seed: bytes, document: Mapping[str, Any]) -> str:
    """The signature of any other document that says its `kind`, with the key that signs checkpoints.

    Args:
        seed: of the key.
        document: JSON-able; `kind` keeps a signature for one sort of document from counting for another.
    """
    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).sign(_document_bytes(document))).decode()


def is_document_signed(document: Mapping[str, Any], signature: str, public: str) -> bool:
    """Whether a public key confirms such a document."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), _document_bytes(document))
    except (InvalidSignature, ValueError):
        return False
    return True


def _document_bytes(document: Mapping[str, Any]) -> bytes:
    return f"{document['kind']}\n".encode() + orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
