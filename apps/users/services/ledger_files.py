"""The record as rows in order, from the table and from the files of archived segments."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
from collections.abc import Iterable, Iterator
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
_NAMES = ", ".join(f'"{name}"' for name in ledger.COLUMNS)
# SQLite writes ids and times as the chain hashes them, three times as fast as Python; and an expression has no declared
# type, so Django's converter of times does not see it.
_ID_TEXT = "substr({0},1,8) || '-' || substr({0},9,4) || '-' || substr({0},13,4) || '-' || substr({0},17,4) || '-' || substr({0},21)"
_WRITTEN = {"id": _ID_TEXT, "workspace_id": _ID_TEXT, "sealed_at": "{} || '+00:00'", "occurred_at": "{} || '+00:00'"}
_TEXTS = ", ".join(_WRITTEN.get(name, "{}").format(f'"{name}"') for name in ledger.COLUMNS)
_SELECT = "SELECT {} FROM users_auditevent WHERE seq > %s AND seq <= %s ORDER BY seq LIMIT %s"
_moment = dt.datetime.fromisoformat


def folder() -> Path:
    """Where this installation keeps its archived segments."""
    return Path(settings.DATA_DIR) / "audit"


def sealed_rows(*, after: int = 0, until: int | None = None) -> Iterator[ledger.Row]:
    """Sealed events of the table, by number. Reads in pieces, each its own statement: no long transaction is held.

    The columns are read as the database gives them and turned into what the chain hashes by hand: through the ORM's
    converters it takes three times as long, and this is the loop that a verification of millions of events waits for.

    Args:
        after: begin behind this number.
        until: the last number; all when left out.
    """
    sqlite = connection.vendor == "sqlite"
    convert, select = (_from_sqlite if sqlite else _from_postgresql), _SELECT.format(_TEXTS if sqlite else _NAMES)
    last = until if until is not None else (1 << 62)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(select, [after, last, _AT_A_TIME])
            rows = cursor.fetchall()
        for row in rows:
            yield convert(row)
        if len(rows) < _AT_A_TIME:
            return
        after = rows[-1][0]


def _from_sqlite(row: Any) -> ledger.Row:
    found = list(row)
    found[_SEALED] = _moment(found[_SEALED])
    found[_OCCURRED] = _moment(found[_OCCURRED])
    if found[_BEFORE] is not None:
        found[_BEFORE] = orjson.loads(found[_BEFORE])
    if found[_AFTER] is not None:
        found[_AFTER] = orjson.loads(found[_AFTER])
    return found


def _from_postgresql(row: Any) -> ledger.Row:
    # Times come in the time zone of the connection, which Django sets to UTC.
    found = list(row)
    for place in (_BEFORE, _AFTER):
        if isinstance(found[place], str):
            found[place] = orjson.loads(found[place])
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


def lines_of(rows: Iterable[ledger.Row]) -> Iterator[bytes]:
    """Rows as lines of an export."""
    return map(ledger.line_of, rows)
