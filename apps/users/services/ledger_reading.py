"""Reading and exporting the audit record. Both are themselves recorded: who watches is watched."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from django.db import transaction
from django.db.models import QuerySet

from aiwriter.core import ledger
from aiwriter.core.errors import InvalidInput, NotFound
from apps.users.models import AuditEvent
from apps.users.selectors.access import Actor, require
from apps.users.selectors.ledger import EventFilter, matching
from apps.users.services import audit

FORMATS = ("jsonl", "csv")
MAX_EXPORT = 100_000
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_AT_A_TIME = 2_000


def read_events(*, actor: Actor, wanted: EventFilter) -> QuerySet[AuditEvent]:
    """Events, newest first; that they were read is recorded.

    Args:
        actor: needs "audit.read".
        wanted: which.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a filter cannot be used.
    """
    require(actor, "audit.read")
    found = matching(AuditEvent.objects.all(), wanted)
    note_reading(actor=actor, wanted=wanted)
    return found


def note_reading(*, actor: Actor, wanted: EventFilter, obj: AuditEvent | None = None) -> None:
    """Record that the record was read.

    Args:
        actor: needs "audit.read".
        wanted: the filter.
        obj: one event, where it was only that.
    """
    require(actor, "audit.read")
    with transaction.atomic():
        audit.record(actor, "audit.read", obj=obj, after=wanted.as_facts() or None)


def read_event(*, actor: Actor, event_id: uuid.UUID | str) -> AuditEvent:
    """One event; that it was read is recorded.

    Raises:
        NotFound: there is none.
    """
    require(actor, "audit.read")
    found = AuditEvent.objects.filter(pk=event_id).first()
    if found is None:
        raise NotFound("There is no such event.")
    note_reading(actor=actor, wanted=EventFilter(), obj=found)
    return found


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is about to be sent.

    Args:
        pieces: its bytes.
        content_type: of the whole.
        filename: to save it as.
        last: number of its last event; the next export begins after it. As it was asked for when there is none.
        more: whether there are events after it.
    """

    pieces: Iterator[bytes]
    content_type: str
    filename: str
    last: int
    more: bool


def export_events(
    *, actor: Actor, format: str = "jsonl", wanted: EventFilter | None = None, after: int = 0, limit: int = 10_000
) -> Export:
    """Sealed events in the order of their numbers, as JSON lines or CSV.

    A whole export as JSON lines can be verified without the database: `manage.py audit verify --export FILE`.

    Args:
        actor: needs "audit.read".
        format: one of `FORMATS`.
        wanted: which; with a filter the file has gaps and cannot be verified.
        after: begin behind this number.
        limit: at most so many.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used.
    """
    require(actor, "audit.read")
    if format not in FORMATS:
        raise InvalidInput(f"format is '{format[:20]}'.", field="format", remedy=f"Use {' or '.join(FORMATS)}.")
    if not 1 <= limit <= MAX_EXPORT:
        raise InvalidInput(f"limit is {limit}.", field="limit", remedy=f"Use 1 to {MAX_EXPORT:,}.")
    if after < 0:
        raise InvalidInput(f"after is {after}.", field="after", remedy="Use the number of an event, or 0.")
    chosen = wanted or EventFilter()
    sealed = matching(AuditEvent.objects.filter(seq__gt=after), chosen).order_by("seq")
    numbers = [int(seq) for seq in sealed.values_list("seq", flat=True)[: limit + 1] if seq is not None]
    more = len(numbers) > limit
    last = numbers[:limit][-1] if numbers else after
    with transaction.atomic():
        facts = {
            **chosen.as_facts(),
            "format": format,
            "after": after,
            "last": last,
            "events": min(len(numbers), limit),
        }
        audit.record(actor, "audit.exported", after=facts)
    rows = _rows(sealed, after=after, last=last)
    name = f"audit-{after + 1}-{last}.{format}"
    if format == "jsonl":
        return Export(map(ledger.line_of, rows), "application/x-ndjson", name, last, more)
    return Export(_csv(rows), "text/csv; charset=utf-8", name, last, more)


def _rows(events: QuerySet[AuditEvent], *, after: int, last: int) -> Iterator[ledger.Row]:
    while after < last:
        found = events.filter(seq__gt=after, seq__lte=last)
        rows = list(found.values_list(*ledger.COLUMNS)[:_AT_A_TIME])
        if not rows:
            return
        yield from rows
        after = int(rows[-1][0])


def _csv(rows: Iterator[ledger.Row]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(ledger.COLUMNS)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        if buffer.tell() > 64 * 1024:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
