"""Keys: who can read (age identities), and the secret of those who write (ids and index)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyrage
from pyrage import x25519

from apps.backups.repository.errors import ForeignRepository, InvalidKey, WrongKey

_CONTEXT = b"aiwriter-backup/1 "


def make_identity() -> tuple[str, str]:
    """A new pair: the identity that opens backups (keep it off the machine), and the recipient that they are made for."""
    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def parse_identity(text: str) -> x25519.Identity:
    """The identity in a text; lines that begin with # are left out, as `age-keygen` writes them."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    try:
        return x25519.Identity.from_str(lines[0] if lines else "")
    except Exception as error:  # pyrage raises its own classes, which share no base but Exception.
        raise InvalidKey("This is no age identity.") from error


def parse_recipient(text: str) -> x25519.Recipient:
    """The recipient in a text."""
    try:
        return x25519.Recipient.from_str(text.strip())
    except Exception as error:
        raise InvalidKey("This is no age recipient.") from error


def recipient_of(identity: str) -> str:
    """The recipient that belongs to an identity."""
    return str(parse_identity(identity).to_public())


def fingerprint(recipient: str) -> str:
    """Sixteen digits that people can compare by eye."""
    digest = hashlib.sha256(str(parse_recipient(recipient)).encode()).hexdigest()[:16]
    return "-".join(digest[i : i + 4] for i in range(0, 16, 4))


def seal_for(data: bytes, recipients: Sequence[str]) -> bytes:
    """An age file that each of the recipients can open."""
    if not recipients:
        raise InvalidKey(
            "No recipient is given, so nobody could ever read the backups.",
            remedy="Give at least one age recipient; better two, one of which is kept off the machine.",
        )
    return pyrage.encrypt(data, [parse_recipient(recipient) for recipient in recipients])


def open_with(data: bytes, identity: str) -> bytes:
    """The content of an age file."""
    try:
        return pyrage.decrypt(data, [parse_identity(identity)])
    except pyrage.DecryptError as error:
        raise WrongKey("This identity does not open the repository.") from error


@dataclass(frozen=True, slots=True, repr=False)
class WriterKeys:
    """What a writer needs: it names chunks and seals the index; it opens no content."""

    repository: str
    secret: bytes
    id_key: bytes = field(init=False)
    index_key: bytes = field(init=False)
    mark_key: bytes = field(init=False)

    def __post_init__(self) -> None:
        for name in ("id", "index", "mark"):
            key = hmac.digest(self.secret, _CONTEXT + name.encode() + b" " + self.repository.encode(), "sha256")
            object.__setattr__(self, f"{name}_key", key)

    def chunk_id(self, data: bytes | memoryview) -> bytes:
        """The name of a chunk: the same bytes have the same name in this repository, and another one elsewhere."""
        return hmac.digest(self.id_key, data, "sha256")

    def mac(self, data: bytes) -> str:
        """Shows that a record was written by somebody who holds the secret."""
        return hmac.new(self.mark_key, data, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, repr=False)
class Master:
    """A pair that data keys are wrapped for; its identity is wrapped for the recipients."""

    number: int
    recipient: str
    identity: str = ""


def new_master(number: int) -> Master:
    """A new pair."""
    identity, recipient = make_identity()
    return Master(number, recipient, identity)


@dataclass(frozen=True, slots=True, repr=False)
class KeyRecord:
    """One generation of `keys/`: the masters, wrapped for the recipients of that generation."""

    generation: int
    repository: str
    recipients: tuple[str, ...]
    masters: Mapping[int, str]
    wrapped: bytes

    @property
    def current(self) -> Master:
        """The master that new data keys are wrapped for."""
        number = max(self.masters)
        return Master(number, self.masters[number])

    def encode(self, keys: WriterKeys) -> bytes:
        """As it is stored."""
        body = self._body()
        return json.dumps({**body, "mac": keys.mac(canonical(body))}, indent=1).encode()

    def _body(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "repository": self.repository,
            "recipients": list(self.recipients),
            "masters": {str(number): recipient for number, recipient in sorted(self.masters.items())},
            "wrapped": base64.b64encode(self.wrapped).decode(),
        }

    def check(self, keys: WriterKeys, mac: str) -> None:
        """Refuse a record that was not written with the secret."""
        if not hmac.compare_digest(keys.mac(canonical(self._body())), mac):
            raise ForeignRepository("The writer's secret does not belong to this repository.")

    def open(self, identity: str) -> tuple[WriterKeys, dict[int, str]]:
        """The writer's keys and the identities of the masters."""
        content = json.loads(open_with(self.wrapped, identity))
        if content["repository"] != self.repository:
            raise ForeignRepository("The keys in this repository belong to another one.")
        masters = {int(number): text for number, text in content["masters"].items()}
        return WriterKeys(self.repository, base64.b64decode(content["writer_secret"])), masters


def decode_key_record(data: bytes) -> tuple[KeyRecord, str]:
    """The record and its MAC, which is to be checked."""
    body = json.loads(data)
    return KeyRecord(
        generation=int(body["generation"]),
        repository=body["repository"],
        recipients=tuple(body["recipients"]),
        masters={int(number): recipient for number, recipient in body["masters"].items()},
        wrapped=base64.b64decode(body["wrapped"]),
    ), str(body["mac"])


def make_key_record(
    *, generation: int, keys: WriterKeys, masters: Sequence[Master], recipients: Sequence[str]
) -> KeyRecord:
    """Wrap the masters' identities and the writer's secret for the recipients."""
    content = {
        "repository": keys.repository,
        "writer_secret": base64.b64encode(keys.secret).decode(),
        "masters": {str(master.number): master.identity for master in masters},
    }
    clean = tuple(dict.fromkeys(str(parse_recipient(recipient)) for recipient in recipients))
    return KeyRecord(
        generation=generation,
        repository=keys.repository,
        recipients=clean,
        masters={master.number: master.recipient for master in masters},
        wrapped=seal_for(json.dumps(content).encode(), clean),
    )


def new_writer_secret() -> bytes:
    """A secret for a new repository."""
    return secrets.token_bytes(32)


def canonical(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces: the bytes that a MAC is made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
