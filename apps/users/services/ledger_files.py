"""The record as rows in order, from the table and from the files of archived segments."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from aiwriter.core import ledger
from aiwriter.core.errors import Unavailable
from apps.users.models import AuditSegment

_AT_A_TIME = 5000
_SEALED, _OCCURRED, _BEFORE, _AFTER = map(ledger.COLUMNS.index, ("sealed_at", "occurred_at", "before", "after"))
# The database writes ids and times as text, as the chain hashes them: drivers and Django's converters, which make objects
# of them, take three times as long. PostgreSQL writes times in the connection's zone, which Django sets to UTC.
_ID = "substr({0},1,8) || '-' || substr({0},9,4) || '-' || substr({0},13,4) || '-' || substr({0},17,4) || '-' || substr({0},21)"
_WRITTEN = {
    "sqlite": {"id": _ID, "time": "{} || '+00:00'", "json": "{}"},
    "postgresql": {"id": "{}::text", "time": "{}::text", "json": "{}::text"},
}
_KINDS = {
    "id": "id",
    "workspace_id": "id",
    "sealed_at": "time",
    "occurred_at": "time",
    "before": "json",
    "after": "json",
}
_SELECT = "SELECT {} FROM users_auditevent WHERE seq > %s AND seq <= %s ORDER BY seq LIMIT %s"
_moment = dt.datetime.fromisoformat


def folder() -> Path:
    """Where this installation keeps its archived segments."""
    return Path(settings.DATA_DIR) / "audit"


def sealed_rows(*, after: int = 0, until: int | None = None) -> Iterator[ledger.Row]:
    """Sealed events of the table, by number. Reads in pieces, each its own statement: no long transaction is held.

    This is the loop that a verification of millions of events waits for, hence no ORM.

    Args:
        after: begin behind this number.
        until: the last number; all when left out.
    """
    written = _WRITTEN[connection.vendor]
    columns = [(f'"{name}"', written.get(_KINDS.get(name, ""), "{}")) for name in ledger.COLUMNS]
    select = _SELECT.format(", ".join(how.format(column) for column, how in columns))
    last = until if until is not None else (1 << 62)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(select, [after, last, _AT_A_TIME])
            rows = cursor.fetchall()
        for row in rows:
            yield _converted(row)
        if len(rows) < _AT_A_TIME:
            return
        after = rows[-1][0]


def _converted(row: Any) -> ledger.Row:
    found = list(row)
    found[_SEALED] = _moment(found[_SEALED])
    found[_OCCURRED] = _moment(found[_OCCURRED])
    if found[_BEFORE] is not None:
        found[_BEFORE] = orjson.loads(found[_BEFORE])
    if found[_AFTER] is not None:
        found[_AFTER] = orjson.loads(found[_AFTER])
    return found


def every_row() -> Iterator[ledger.Row]:
    """The whole record: archived segments that are out of the table, then the table.

    Raises:
        Unavailable: a segment's file is missing or is not the one that was archived.
    """
    after = 0
    for segment in AuditSegment.objects.filter(released_at__isnull=False).order_by("first_seq"):
        yield from segment_rows(segment)
        after = segment.last_seq
    yield from sealed_rows(after=after)


def segment_rows(segment: AuditSegment) -> Iterator[ledger.Row]:
    """Events of an archived segment. Errors as for `read_segment`."""
    yield from ledger.rows_of(gzip.decompress(read_segment(segment)).splitlines())


def read_segment(segment: AuditSegment) -> bytes:
    """The file of a segment.

    Raises:
        Unavailable: it is missing, or is not the one that was archived.
    """
    path = folder() / segment.name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"The archived segment {segment.name} cannot be read: {error.strerror}.",
            remedy=f"Put it back into {folder()} from a place outside or from a backup.",
        ) from error
    if hashlib.sha256(content).hexdigest() != segment.sha256:
        raise Unavailable(
            f"The archived segment {segment.name} was changed.",
            remedy="Put it back from a place outside; its SHA-256 is kept.",
        )
    return content


def open_lines(path: Path) -> Iterator[bytes]:
    """Lines of an exported file, compressed or not."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if compressed else path.open("rb") as lines:
        yield from lines
