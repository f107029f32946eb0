"""Sets: what one backup holds. A set exists when its record is durable; the record is written last."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apps.backups.repository.errors import Damaged
from apps.backups.repository.keys import canonical

PLACE = "sets/"
# Made once: `json.dumps` with these options makes an encoder for each line, which costs more than the line.
_line = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class SetInfo:
    """What the server knows of a set without any identity.

    Args:
        id: time and a random part.
        created: when it was begun, UTC.
        kind: what the caller calls it, such as "full" or "logical".
        labels: the caller's own words about it.
        bytes_source: bytes that the set restores to.
        bytes_added: bytes by which the repository grew for it.
        entries: number of files and streams in it.
        chunks: number of chunks that they consist of.
        finished: when its record was written.
        extra: what the caller put into the manifest.
    """

    id: str
    created: datetime
    kind: str
    labels: Mapping[str, str]
    bytes_source: int
    bytes_added: int
    entries: int
    chunks: int
    finished: datetime
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that lies in chunks. Level 0: the chunks hold the list; level n: they hold the ids of the chunks of level n-1."""

    level: int
    ids: tuple[bytes, ...]

    def encode(self) -> dict[str, Any]:
        """For the manifest."""
        return {"level": self.level, "ids": base64.b64encode(b"".join(self.ids)).decode()}

    @classmethod
    def decode(cls, value: Mapping[str, Any]) -> Listing:
        """From a manifest."""
        ids = base64.b64decode(value["ids"])
        return cls(int(value["level"]), tuple(ids[at : at + 32] for at in range(0, len(ids), 32)))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A set's record: what is known of it, and where its two lists begin.

    Args:
        entries: JSON lines, one for each entry, in order; sealed with data keys.
        refs: the ids of all chunks of all entries, in order, 32 bytes each; sealed with the index key.
    """

    info: SetInfo
    entries: Listing
    refs: Listing

    def encode(self) -> bytes:
        """As JSON."""
        info = self.info
        return canonical(
            {
                "id": info.id,
                "created": info.created.isoformat(),
                "finished": info.finished.isoformat(),
                "kind": info.kind,
                "labels": dict(info.labels),
                "bytes_source": info.bytes_source,
                "bytes_added": info.bytes_added,
                "entries": info.entries,
                "chunks": info.chunks,
                "extra": dict(info.extra),
                "lists": {"entries": self.entries.encode(), "refs": self.refs.encode()},
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """From JSON."""
        try:
            body = json.loads(data)
            info = SetInfo(
                id=body["id"],
                created=datetime.fromisoformat(body["created"]),
                finished=datetime.fromisoformat(body["finished"]),
                kind=body["kind"],
                labels=body["labels"],
                bytes_source=body["bytes_source"],
                bytes_added=body["bytes_added"],
                entries=body["entries"],
                chunks=body["chunks"],
                extra=body["extra"],
            )
            return cls(info, Listing.decode(body["lists"]["entries"]), Listing.decode(body["lists"]["refs"]))
        except (KeyError, ValueError, TypeError) as error:
            raise Damaged("The record of a set cannot be read.") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or stream in a set.

    Args:
        path: its name, with slashes.
        size: in bytes.
        chunks: how many chunks it consists of.
        sha256: of the whole; empty when it is one chunk, whose name already is a digest.
        meta: what the caller said about it.
    """

    path: str
    size: int
    chunks: int
    sha256: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """A line of the list of entries."""
        body: dict[str, Any] = {"p": self.path, "s": self.size}
        if self.chunks != 1:
            body["n"] = self.chunks
        if self.sha256:
            body["h"] = self.sha256
        if self.meta:
            body["m"] = dict(self.meta)
        return _line(body).encode() + b"\n"

    @staticmethod
    def beginning(path: str) -> bytes:
        """How the line of an entry of this path begins."""
        return f'{{"p":{_line(path)},'.encode()

    @classmethod
    def decode(cls, line: bytes) -> Entry:
        """From a line."""
        try:
            body = json.loads(line)
            return cls(body["p"], body["s"], body.get("n", 1), body.get("h", ""), body.get("m", {}))
        except (KeyError, ValueError, TypeError) as error:
            raise Damaged("A line of the list of entries cannot be read.") from error


def new_set_id(now: datetime) -> str:
    """An id that sorts by time."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def moment_of(set_id: str) -> datetime | None:
    """The time in an id; None when it has none."""
    try:
        return datetime.strptime(set_id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def set_name(set_id: str) -> str:
    """Where the record lies."""
    return PLACE + set_id


def valid_path(path: str) -> bool:
    """Whether a path stays inside the folder that it is restored to."""
    framed = f"/{path}/"
    return not any(part in framed for part in ("//", "/./", "/../", "\0", "\n"))
