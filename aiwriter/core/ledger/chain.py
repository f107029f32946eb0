"""What an event says, as bytes, and what is computed over them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

FORM = 1
GENESIS = "0" * 64
# What an event says. The order is part of the form.
FACTS = (
    "id",
    "occurred_at",
    "actor_id",
    "actor_label",
    "token_key_id",
    "action",
    "object_type",
    "object_id",
    "object_label",
    "workspace_id",
    "outcome",
    "reason",
    "before",
    "after",
    "request_id",
    "client_address",
)
SEAL = ("seq", "previous_hash", "hash", "seal_key_id", "sealed_at", "origin")
COLUMNS = (*SEAL, *FACTS)
OCCURRED = COLUMNS.index("occurred_at")
_INT64 = 1 << 63
Row = Sequence[Any]


def jsonable(value: Any) -> Any:
    """A value that every database and every JSON reader gives back as it was: no number is rounded or written otherwise."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return str(value)
        return jsonable(int(value)) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    return str(value)


def mac(key: bytes, facts: Sequence[Any]) -> str:
    """What the writer of an event leaves with it, so that the sealer knows an event that the portal did not write.

    Args:
        key: the audit key.
        facts: in the order of `FACTS`, the time left out: the database sets it.
    """
    text = orjson.dumps(["outbox", FORM, *facts], option=orjson.OPT_SORT_KEYS)
    return hmac.digest(key, text, "sha256").hex()


def canonical(row: Row) -> bytes:
    """The bytes that are hashed: `COLUMNS` without the hash itself, as JSON with sorted keys."""
    return orjson.dumps([FORM, row[0], row[1], *row[3:]], option=orjson.OPT_SORT_KEYS)


def hash_of(key: bytes, text: bytes) -> str:
    """The event's hash."""
    return hmac.digest(key, text, "sha256").hex()


def root_of(before: str, text: bytes) -> str:
    """The root after an event."""
    return hashlib.sha256(bytes.fromhex(before) + text).hexdigest()
