"""What a proof pack shows: each part says what it has, or plainly that it has nothing and why."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core import keyring, sbom
from apps.users.models import (
    AccessReview,
    AuditCheckpoint,
    AuditEvent,
    AuditSink,
    AuditVerification,
    KeyRecord,
)
from apps.users.services import ledger_delivery, retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What a pack is about.

    Args:
        since, until: from this moment on, up to that one.
        made_at: when it is made.
    """

    since: dt.datetime
    until: dt.datetime
    made_at: dt.datetime

    def covers(self, name: str) -> Q:
        """The rows whose column lies within."""
        return Q(**{f"{name}__gte": self.since, f"{name}__lt": self.until})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part.

    Args:
        name: such as "drills".
        present: whether there was something to show.
        says: in a sentence.
        files: contents by name within the pack.
    """

    name: str
    present: bool
    says: str
    files: dict[str, bytes] = field(default_factory=dict)


Make = Callable[[Period], Part]


def parts() -> list[Make]:
    """All parts, in the order in which people read them."""
    return [import_string(path) for path in settings.PROOF_PARTS]


def sha256(content: bytes) -> str:
    """Its digest."""
    return hashlib.sha256(content).hexdigest()


def text_of(value: Any) -> bytes:
    """Facts as JSON that people can read."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z) + b"\n"


def record(period: Period) -> Part:
    """The newest checkpoint, verifications and places outside."""
    made = AuditCheckpoint.objects.filter(created_at__lt=period.until).order_by("-seq", "-created_at").first()
    point = made or AuditCheckpoint.objects.order_by("seq").first()
    if point is None:
        return Part(name="record", present=False, says="The audit record has no checkpoint yet.")
    within = AuditVerification.objects.filter(period.covers("created_at")).exclude(finished_at=None)
    states = Counter(within.values_list("state", flat=True))
    last = within.first()
    counts = AuditEvent.objects.filter(period.covers("occurred_at")).order_by().values_list("outcome")
    facts = {
        "events_of_the_month": dict(counts.annotate(Count("id"))),
        "verifications": dict(states),
        "last_verification": {
            "finished_at": last.finished_at,
            "state": last.state,
            "events": last.events,
            "first_seq": last.first_seq,
            "last_seq": last.last_seq,
            "checkpoints": last.checkpoints,
            "findings": last.findings,
        }
        if last
        else None,
        "places_outside": [
            {
                "kind": sink.kind,
                "enabled": sink.enabled,
                "has_events_up_to": sink.last_seq,
                "last_reached": sink.last_ok_at,
            }
            for sink in AuditSink.objects.order_by("created_at")
        ],
    }
    found = (
        "not verified in the month" if last is None else f"verified {sum(states.values())} times, last: {last.state}"
    )
    return Part(
        name="record",
        present=True,
        says=f"Signed up to event {point.seq} on {point.created_at:%Y-%m-%d}; {found}.",
        files={"record/checkpoint.json": ledger_delivery.document_of(point), "record/state.json": text_of(facts)},
    )


def reviews(period: Period) -> Part:
    """The signed evidence of what was ended, and what is open."""
    ended = list(AccessReview.objects.filter(period.covers("closed_at")).order_by("closed_at"))
    begun = AccessReview.objects.filter(created_at__lt=period.until)
    waiting = begun.filter(Q(closed_at=None) | Q(closed_at__gte=period.until)).annotate(
        undecided=Count("items", filter=Q(items__decision=""))
    )
    still = [
        {"id": str(each.pk), "name": each.name, "due_at": each.due_at, "undecided": each.undecided}
        for each in waiting.order_by("created_at")
    ]
    late = waiting.filter(due_at__lt=period.until).count()
    files = {f"reviews/{each.closed_at:%Y-%m-%d}-{each.pk}.json": each.evidence.encode() for each in ended}
    says = f"{len(ended)} ended, {len(still)} open, {late} of these overdue."
    if not ended:
        says = f"No access review was ended in the month; {len(still)} open, {late} of these overdue."
    return Part(
        name="reviews", present=bool(ended), says=says, files={**files, "open_reviews.json": text_of({"open": still})}
    )


def keys(period: Period) -> Part:
    """The keyring without its keys, and what was done with it."""
    rows = list(KeyRecord.objects.order_by("purpose", "created_at"))
    done = AuditEvent.objects.filter(period.covers("occurred_at"), action__startswith="key.").order_by("occurred_at")
    facts = {
        "provider": keyring.load().provider if keyring.exists() else None,
        "keys": [
            {
                "id": row.pk,
                "purpose": row.purpose,
                "state": row.state,
                "made_at": row.created_at,
                "replace_by": row.rotate_by.isoformat(),
            }
            for row in rows
        ],
        "events": [
            {
                "seq": row.seq,
                "at": row.occurred_at,
                "action": row.action,
                "outcome": row.outcome,
                "by": row.actor_id,
                "key": row.object_id,
                "after": row.after,
            }
            for row in done
        ],
    }
    overdue = [row.pk for row in rows if row.state == "active" and row.rotate_by < period.until.date()]
    rotated = done.filter(action="key.rotated").count()
    says = f"{len(rows)} keys, {rotated} replaced in the month, {len(overdue)} that should have been."
    return Part(name="keys", present=bool(rows), says=says, files={"keys.json": text_of(facts)})


def kept(period: Period) -> Part:
    """The oldest row of each table that has a limit, at the moment when the pack is made."""
    rows = retention.oldest()
    late = [label for label, facts in rows.items() if facts["over"]]
    says = f"{len(rows)} tables have a limit; " + (f"beyond it: {', '.join(late)}." if late else "none is beyond it.")
    facts = {"measured_at": timezone.now(), "tables": rows}
    return Part(name="retention", present=bool(rows), says=says, files={"retention.json": text_of(facts)})


def components(period: Period) -> Part:
    """The list of parts of the installed release."""
    made = sbom.bill(period.made_at)
    return Part(
        name="sbom",
        present=True,
        says=f"{len(made['components'])} parts of the release that was installed when the pack was made.",
        files={"sbom.cdx.json": text_of(made)},
    )
