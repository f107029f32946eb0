"""The keyring as a document: purposes, keys, states."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from aiwriter.core.keyring.errors import KeyMissing, RingProblem

KEY_BYTES = 32
VERSION = 1
_PUT_BACK = "Put the keyring of this installation back from the backup (keys/keyring.json)."
Stage = Literal["expand", "migrate", "contract"]


class State(StrEnum):
    """What a key may still do."""

    PENDING = "pending"
    ACTIVE = "active"
    DECRYPT_ONLY = "decrypt-only"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a key is for.

    Args:
        name: as it stands in the keyring.
        help: for people.
        days: after how many days it is to be replaced.
    """

    name: str
    help: str
    days: int


PURPOSES: Mapping[str, Purpose] = {
    each.name: each
    for each in (
        Purpose("field", "Secrets in the database and typed secrets of backends", 180),
        Purpose("file", "Files in storages that are encrypted", 365),
        Purpose("pepper", "Digests of API tokens", 365),
        Purpose("audit", "The chain of the audit record", 365),
        Purpose("checkpoint", "Signatures under the audit record", 730),
        Purpose("url", "Signed links", 90),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. Its id is derived from its bytes, so a key that was mixed up is noticed when it is read.

    Args:
        id: 16 hexadecimal digits.
        purpose: one of `PURPOSES`.
        state: what it may do.
        created: when it was made.
        rotate_by: the day by which it is to be replaced.
        material: 32 bytes; empty when it was destroyed.
        wrapped: how it stands in the document when a key service guards it.
    """

    id: str
    purpose: str
    state: State
    created: dt.datetime
    rotate_by: dt.date
    material: bytes = field(repr=False, default=b"")
    wrapped: str = field(repr=False, default="")

    @property
    def usable(self) -> bool:
        """Whether something that it sealed can be opened."""
        return self.state is not State.DESTROYED


def id_of(purpose: str, material: bytes) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(f"aiwriter {purpose} key id".encode() + material).hexdigest()[:16]


def new_key(
    purpose: str, *, state: State = State.ACTIVE, material: bytes | None = None, now: dt.datetime | None = None
) -> Key:
    """A key that is in no keyring yet.

    Args:
        purpose: one of `PURPOSES`.
        state: what it may do.
        material: of a key that exists already, such as the key for files of an older version.
        now: when it was made.
    """
    material = os.urandom(KEY_BYTES) if material is None else material
    created = now or dt.datetime.now(dt.UTC)
    return Key(
        id=id_of(purpose, material),
        purpose=purpose,
        state=state,
        created=created,
        rotate_by=(created + dt.timedelta(days=PURPOSES[purpose].days)).date(),
        material=material,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """All keys, and how far the move of older secrets has come.

    Args:
        keys: by id.
        stage: "expand": reads both forms and writes the older one, so that the version before can still serve;
            "migrate": writes the new form while a job moves the rest; "contract": nothing of the older form was left.
        provider: who wraps the keys: "file" for nobody, "vault", "kms".
    """

    keys: Mapping[str, Key]
    stage: Stage = "contract"
    provider: str = "file"

    def active(self, purpose: str) -> Key:
        """The key that seals now.

        Raises:
            KeyMissing: there is none.
        """
        for key in self.keys.values():
            if key.purpose == purpose and key.state is State.ACTIVE:
                return key
        raise KeyMissing(f"The keyring has no active key for the purpose '{purpose}'.", remedy=_PUT_BACK)

    def find(self, key_id: str) -> Key:
        """A key that opens something.

        Raises:
            KeyMissing: it is not there, or was destroyed.
        """
        key = self.keys.get(key_id)
        if key is None:
            raise KeyMissing(f"The key {key_id} is not in the keyring.", key_id=key_id, remedy=_PUT_BACK)
        if not key.usable:
            raise KeyMissing(
                f"The key {key_id} ({key.purpose}) was destroyed.",
                key_id=key_id,
                remedy="What it sealed cannot be opened any more; set the secret anew.",
            )
        return key

    def of(self, purpose: str) -> list[Key]:
        """Keys of a purpose, oldest first."""
        return sorted((key for key in self.keys.values() if key.purpose == purpose), key=lambda key: key.created)

    def with_key(self, key: Key) -> Ring:
        """With a key added or changed."""
        return replace(self, keys={**self.keys, key.id: key})


def dump(ring: Ring, wrap: Callable[[Key], str]) -> dict[str, Any]:
    """The document of a keyring.

    Args:
        ring: all keys.
        wrap: seals a key's bytes with the key service; gives "" where they lie as they are.
    """
    keys = []
    for key in sorted(ring.keys.values(), key=lambda each: (each.purpose, each.created)):
        row: dict[str, Any] = {
            "id": key.id,
            "purpose": key.purpose,
            "state": key.state.value,
            "created": key.created.isoformat(),
            "rotate_by": key.rotate_by.isoformat(),
        }
        if key.usable:
            if wrapped := key.wrapped or wrap(key):
                row["wrapped"] = wrapped
            else:
                row["material"] = base64.b64encode(key.material).decode()
        keys.append(row)
    return {"version": VERSION, "stage": ring.stage, "provider": ring.provider, "keys": keys}


def parse(document: Any, unwrap: Callable[[str, str], bytes], *, where: str) -> Ring:
    """The keyring of a document.

    Args:
        document: as `dump` made it.
        unwrap: opens a wrapped key: gets its text and its purpose.
        where: for messages.

    Raises:
        RingProblem: it is not a keyring, or a key in it is not what its id says.
    """
    try:
        if document["version"] != VERSION:
            raise RingProblem(
                f"The keyring {where} has version {document['version']}.", remedy="Start a newer version."
            )
        keys = {}
        for row in document["keys"]:
            key = _key(row, unwrap, where)
            keys[key.id] = key
        return Ring(keys=keys, stage=document["stage"], provider=document["provider"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise RingProblem(f"{where} is not a keyring ({type(error).__name__}: {error}).", remedy=_PUT_BACK) from None


def _key(row: Mapping[str, Any], unwrap: Callable[[str, str], bytes], where: str) -> Key:
    state = State(row["state"])
    wrapped = row.get("wrapped", "")
    material = b""
    if state is not State.DESTROYED:
        material = unwrap(wrapped, row["purpose"]) if wrapped else base64.b64decode(row["material"], validate=True)
        if len(material) != KEY_BYTES or id_of(row["purpose"], material) != row["id"]:
            raise RingProblem(
                f"The key {row['id']} ({row['purpose']}) in {where} is damaged: its bytes are not those of its id.",
                remedy=_PUT_BACK,
            )
    return Key(
        id=row["id"],
        purpose=row["purpose"],
        state=state,
        created=dt.datetime.fromisoformat(row["created"]),
        rotate_by=dt.date.fromisoformat(row["rotate_by"]),
        material=material,
        wrapped=wrapped,
    )
