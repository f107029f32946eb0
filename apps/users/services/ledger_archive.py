"""Moves old events out of the table into sealed files. Nothing is lost on the way and nothing is trimmed when it is written.

A segment is a file of events whose digest is kept and whose end a signed checkpoint covers. Its events leave the table only
after every place outside that keeps files has confirmed that it has the segment, and at least one did.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io

from django.conf import settings
from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from aiwriter.core import ledger
from apps.users.models import AuditCheckpoint, AuditEvent, AuditSegment, AuditSink
from apps.users.selectors.access import Actor
from apps.users.services import audit, ledger_delivery, ledger_files

EVENTS = 50_000
LEAST = 1_000
_DELETED_AT_ONCE = 1_000
ACTOR = Actor.system_actor("audit archive")


def archive_old(*, now: dt.datetime | None = None, events: int = EVENTS, least: int = LEAST) -> AuditSegment | None:
    """Make the next segment of events older than `AIWRITER_AUDIT_HOT_DAYS`, and release those that places outside have.

    Args:
        now: for tests.
        events: at most so many.
        least: fewer wait until there are more.

    Returns:
        the segment that was made.
    """
    release_delivered()
    if not _keepers().exists() or AuditSegment.objects.filter(released_at=None).exists():
        return None
    before = (now or timezone.now()) - dt.timedelta(days=settings.AUDIT_HOT_DAYS)
    last = AuditSegment.objects.order_by("-last_seq").first()
    start = last.end if last else ledger.Start()
    covered = AuditCheckpoint.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    old = AuditEvent.objects.filter(seq__gt=start.seq, seq__lte=covered, occurred_at__lt=before).order_by("seq")
    # Numbers follow the order of sealing; the first event that is still young ends the segment.
    young = AuditEvent.objects.filter(seq__gt=start.seq, occurred_at__gte=before).order_by("seq")
    limit = young.values_list("seq", flat=True).first()
    if limit is not None:
        old = old.filter(seq__lt=limit)
    until = list(old.values_list("seq", flat=True)[:events])
    if len(until) < least:
        return None
    return _make(start, int(until[-1] or 0))


def _make(start: ledger.Start, until: int) -> AuditSegment:
    rows = list(ledger_files.sealed_rows(after=start.seq, until=until))
    root = start.root
    for row in rows:
        root = ledger.root_of(root, ledger.canonical(row))
    packed = io.BytesIO()
    # No time in the header: the same events make the same file.
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        file.writelines(map(ledger.line_of, rows))
    content = packed.getvalue()
    name = f"audit-{start.seq + 1:012d}-{until:012d}.jsonl.gz"
    ledger_delivery.put_file(ledger_files.folder(), name, content)
    moments = [row[ledger.COLUMNS.index("occurred_at")] for row in rows]
    with transaction.atomic():
        segment = AuditSegment.objects.create(
            name=name,
            first_seq=start.seq + 1,
            last_seq=until,
            before_hash=start.hash,
            before_root=start.root,
            last_hash=rows[-1][2],
            last_root=root,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            oldest_at=min(moments),
            newest_at=max(moments),
        )
        for sink in _keepers():
            ledger_delivery.deliver(sink, segment=segment)
        audit.record(
            ACTOR,
            "audit.archived",
            obj=segment,
            after={"first": segment.first_seq, "last": until, "sha256": segment.sha256},
        )
    return segment


def release_delivered() -> int:
    """Take events out of the table whose segment every place that keeps files has. Returns how many events went."""
    gone = 0
    for segment in AuditSegment.objects.filter(released_at=None):
        states = list(segment.deliveries.filter(sink__enabled=True).values_list("state", flat=True))
        if states and all(state == "delivered" for state in states):
            ledger_files.read_segment(segment)
            AuditSegment.objects.filter(pk=segment.pk).update(released_at=timezone.now())
    # What was released before has left the table already, unless a process died over it.
    first = AuditEvent.objects.aggregate(first=Min("seq"))["first"] or 0
    for segment in AuditSegment.objects.filter(released_at__isnull=False, last_seq__gte=first):
        gone += _clear(segment)
    return gone


def _clear(segment: AuditSegment) -> int:
    gone = 0
    within = AuditEvent.objects.filter(seq__gte=segment.first_seq, seq__lte=segment.last_seq).order_by("seq")
    while keys := list(within.values_list("pk", flat=True)[:_DELETED_AT_ONCE]):
        # `_raw_delete`: no rows are loaded and no signals sent; the trigger judges each.
        gone += AuditEvent.objects.filter(pk__in=keys)._raw_delete("default")
    return gone


def _keepers() -> QuerySet[AuditSink]:
    return AuditSink.objects.filter(enabled=True, kind__in=AuditSink.KEEPS_SEGMENTS)
