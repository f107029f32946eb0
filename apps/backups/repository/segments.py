"""Segments: what changed in a database between two moments, as a chain that shows when a link is lost.

A *line* is an unbroken capture. Its segments are numbered from 1, and each names the link of the one before it, so that a
missing, foreign or exchanged one is found by name. A source cannot give a segment back: each is stored twice.
"""

from __future__ import annotations

import json
import secrets
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import Damaged, ObjectMissing, RepositoryError
from apps.backups.repository.keys import seal_for
from apps.backups.repository.packs import Wrap
from apps.backups.repository.records import TWIN
from apps.backups.repository.sealing import (
    Cipher,
    new_data_key,
    open_record,
    pack_up,
    seal_record,
    unpack,
    with_checksum,
    without_checksum,
)

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository

SEGMENTS, LINES = "segments/", "lines/"
_HEAD = struct.Struct(">4sBIHI")
_MAGIC, VERSION = b"AWSG", 1
SEGMENT_HEAD = _HEAD.size
FIRST_LINK = "0" * 64


class SegmentLost(RepositoryError):
    """A link of the chain is missing or damaged, so that moments after it cannot be reached."""

    exit_code, code = 14, "segment_lost"
    remedy = (
        "Fetch it from a copy of the repository, or restore to a moment before it, or to one after the next backup."
    )


@dataclass(frozen=True, slots=True)
class Line:
    """An unbroken capture of one database.

    Args:
        id: what its segments are filed under.
        engine: "sqlite" or "postgresql".
        started: milliseconds since 1970.
        reason: why a new one was begun.
        detail: what the engine needs to read the segments.
    """

    id: str
    engine: str
    started: int
    reason: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """A segment as the listing shows it: `until` is the moment up to which all changes are in it or before it."""

    number: int
    until: int
    line: str

    @property
    def name(self) -> str:
        """Where it lies."""
        return f"{SEGMENTS}{self.line}/{self.number:010d}-{self.until:014d}"


@dataclass(frozen=True, slots=True)
class Segment:
    """An opened segment."""

    stored: Stored
    since: int
    previous: str
    link: str
    body: bytes


def new_line(*, engine: str, reason: str, detail: Mapping[str, Any], now: float) -> Line:
    """A line that begins now; ids sort by time."""
    at = datetime.fromtimestamp(now, UTC)
    return Line(f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", engine, int(now * 1000), reason, dict(detail))


def encode_line(repository: Repository, line: Line) -> tuple[str, bytes]:
    """Name and bytes of a line's record."""
    name = LINES + line.id
    body = {"engine": line.engine, "started": line.started, "reason": line.reason, "detail": dict(line.detail)}
    return name, seal_record(repository.index_cipher, name, json.dumps(body).encode())


def read_line(repository: Repository, line_id: str) -> Line:
    """The record of a line."""
    name = LINES + line_id
    body = json.loads(open_record(repository.index_cipher, name, repository.records.get(name)))
    return Line(line_id, body["engine"], int(body["started"]), body["reason"], body["detail"])


def lines(repository: Repository) -> list[Line]:
    """All lines, oldest first. One whose record is lost twice cannot be used."""
    found = []
    for name in repository.records.names(LINES):
        try:
            found.append(read_line(repository, name.removeprefix(LINES)))
        except (Damaged, ObjectMissing):
            continue
    return sorted(found, key=lambda line: (line.started, line.id))


class Sealer:
    """Makes segments of one line. Their key is new for each process and wrapped for those who may read.

    Args:
        repository: opened with the writer's secret; contents cannot be read with it afterwards.
        line: whose segments.
    """

    def __init__(self, repository: Repository, line: Line) -> None:
        self._repository, self.line = repository, line
        master, key = repository.record.current, new_data_key()
        self._wrap = Wrap(master.number, seal_for(key, [master.recipient]))
        self._cipher = Cipher(key)

    def seal(self, *, number: int, previous: str, since: int, until: int, body: bytes) -> tuple[Stored, str, bytes]:
        """A segment, its link and the bytes to store."""
        stored = Stored(number, until, self.line.id)
        link = self._repository.keys.chunk_id(f"{previous} {stored.name} ".encode() + body).hex()
        head = {"since": since, "previous": previous, "link": link, "raw": len(body), "detail": {}}
        return stored, link, _encode(self._repository.index_cipher, self._cipher, self._wrap, stored.name, head, body)


def _encode(index: Cipher, data: Cipher, wrap: Wrap, name: str, head: Mapping[str, Any], body: bytes) -> bytes:
    sealed = index.seal(json.dumps(head).encode(), f"{name} head".encode())
    return with_checksum(
        _HEAD.pack(_MAGIC, VERSION, wrap.master, len(wrap.sealed), len(sealed))
        + wrap.sealed
        + sealed
        + data.seal(pack_up(body), name.encode())
    )


def _parts(data: bytes) -> tuple[Wrap, bytes, bytes]:
    plain = without_checksum(data)
    try:
        magic, version, master, wrapped, headed = _HEAD.unpack_from(plain)
    except struct.error as error:
        raise Damaged("A segment is cut short.") from error
    if magic != _MAGIC or version != VERSION:
        raise Damaged("A segment does not begin as segments of this version do.")
    at = _HEAD.size
    wrap = Wrap(master, plain[at : at + wrapped])
    return wrap, plain[at + wrapped : at + wrapped + headed], plain[at + wrapped + headed :]


def _stored(name: str) -> Stored | None:
    _, line_id, file = name.split("/", 2)
    number, _, until = file.partition("-")
    return Stored(int(number), int(until), line_id) if number.isdigit() and until.isdigit() else None


def listing(repository: Repository, line_id: str) -> list[Stored]:
    """Segments of a line of which at least one copy is there, in order."""
    return sorted(stored for name in repository.records.names(f"{SEGMENTS}{line_id}/") if (stored := _stored(name)))


def require_unbroken(found: Sequence[Stored], first: int, last: int) -> None:
    """Refuse a listing in which a number between two is missing.

    Raises:
        SegmentLost: with its number, and the last moment that can be reached.
    """
    numbers = {each.number: each for each in found}
    for number in range(first, last + 1):
        if number not in numbers:
            before = numbers.get(number - 1)
            reach = f" The last moment before it is {moment(before.until)}." if before else ""
            raise SegmentLost(f"Segment {number} of the capture is missing.{reach}")


def moment(milliseconds: int) -> str:
    """A time for people."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def open_segment(repository: Repository, stored: Stored, *, contents: bool = True) -> Segment:
    """One segment from whichever copy is whole; without `contents` the writer's secret is enough.

    Raises:
        SegmentLost: neither copy is what was written.
    """
    reason = "missing"
    for name in (stored.name, TWIN + stored.name):
        try:
            wrap, sealed, body = _parts(repository.store.get(name))
            head = json.loads(repository.index_cipher.open(sealed, f"{stored.name} head".encode()))
            plain = b""
            if contents:
                plain = unpack(repository.data_cipher(wrap).open(body, stored.name.encode()), head["raw"])
                link = repository.keys.chunk_id(f"{head['previous']} {stored.name} ".encode() + plain).hex()
                if link != head["link"]:
                    raise Damaged("A segment is not what its link says.")
        except ObjectMissing:
            continue
        except Damaged:
            reason = "damaged"
            continue
        return Segment(stored, head["since"], head["previous"], head["link"], plain)
    raise SegmentLost(f"Segment {stored.number} of the capture ({stored.name}) is {reason} in both its copies.")


def walk(repository: Repository, chosen: Sequence[Stored], control: Control = QUIET) -> Iterator[Segment]:
    """Segments one after the other, each opened and held against the one before.

    Raises:
        SegmentLost: one is missing, damaged, or not the successor of the one before.
    """
    before: Segment | None = None
    for done, stored in enumerate(chosen):
        control.check()
        if before is not None and stored.number != before.stored.number + 1:
            raise SegmentLost(f"Segment {before.stored.number + 1} of the capture is missing.")
        segment = open_segment(repository, stored)
        if (before is not None and segment.previous != before.link) or (
            stored.number == 1 and segment.previous != FIRST_LINK
        ):
            raise SegmentLost(f"Segment {stored.number} of the capture does not follow the one before it.")
        before = segment
        control.progress("segments", done + 1, len(chosen))
        yield segment


def faults(repository: Repository, line_id: str, control: Control = QUIET) -> list[str]:
    """What is wrong with the segments of a line that are there, in words; no key is needed. What can be mended is.

    Numbers between them that are missing are told by `gaps`.
    """
    problems: list[str] = []
    expected, link = 0, ""
    for stored in listing(repository, line_id):
        control.check()
        if stored.number != expected:
            link = ""
        expected = stored.number + 1
        if not repository.records.mend(stored.name):
            problems.append(f"segment {stored.number} is damaged in both its copies")
            link = ""
            continue
        try:
            segment = open_segment(repository, stored, contents=False)
        except SegmentLost as error:
            problems.append(error.message)
            link = ""
            continue
        if link and segment.previous != link:
            problems.append(f"segment {stored.number} does not follow the one before it")
        link = segment.link
    return problems


def gaps(repository: Repository, control: Control = QUIET) -> list[tuple[str, str]]:
    """What is missing, each with where: numbers between those that are there, and the records of lines. No key is needed.

    Only listings are read, and copies are mended. Segments before the oldest base are dropped from the front, so the
    first number says nothing.
    """
    first = {name for name, _ in repository.store.names(SEGMENTS)}
    second = {name.removeprefix(TWIN) for name, _ in repository.store.names(TWIN + SEGMENTS)}
    for name in first ^ second:
        control.check()
        repository.records.mend(name)
    numbers: dict[str, set[int]] = {}
    for stored in filter(None, map(_stored, first | second)):
        numbers.setdefault(stored.line, set()).add(stored.number)
    known = {name.removeprefix(LINES) for name in repository.records.names(LINES)}
    found = [(LINES + line_id, "missing") for line_id in sorted(numbers.keys() - known)]
    for line_id, present in sorted(numbers.items()):
        missing = [number for number in range(min(present), max(present)) if number not in present]
        found += [(SEGMENTS + line_id, f"segment {number} is missing") for number in missing[:20]]
    return found


def drop_segments(repository: Repository, needed: Mapping[str, int], control: Control = QUIET) -> tuple[int, int]:
    """Remove the segments that nothing needs.

    Args:
        needed: the first number that is needed, by line; a line that is not named is needed no more.

    Returns:
        how many segments and how many lines were removed.
    """
    gone = ended = 0
    for name in list(repository.records.names(LINES)):
        line_id = name.removeprefix(LINES)
        first = needed.get(line_id)
        for stored in listing(repository, line_id):
            control.check()
            if first is None or stored.number < first:
                repository.records.delete(stored.name)
                gone += 1
        if first is None:
            # Last, so that a killed run finds the rest of the line again.
            repository.records.delete(name)
            ended += 1
    return gone, ended


def reseal(repository: Repository, control: Control = QUIET) -> tuple[int, list[str]]:
    """Encrypt segments that an older master opens anew, in place and one at a time. Links and names stay.

    Returns:
        how many were written anew, and the names of those that could not be read.
    """
    master, key = repository.record.current, new_data_key()
    wrap, cipher = Wrap(master.number, seal_for(key, [master.recipient])), Cipher(key)
    done, failed = 0, []
    for name in repository.records.names(SEGMENTS):
        control.check()
        try:
            old, sealed, body = _parts(repository.records.get(name))
            if old.master == master.number:
                continue
            head = json.loads(repository.index_cipher.open(sealed, f"{name} head".encode()))
            plain = unpack(repository.data_cipher(old).open(body, name.encode()), head["raw"])
        except (Damaged, ObjectMissing):
            failed.append(name)
            continue
        repository.records.put(name, _encode(repository.index_cipher, cipher, wrap, name, head, plain))
        done += 1
    return done, failed
