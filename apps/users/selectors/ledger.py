"""Reads of the audit record: what happened, filtered; how the chain stands."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from aiwriter.core.errors import InvalidInput
from apps.users.models import (
    AuditCheckpoint,
    AuditEvent,
    AuditSegment,
    AuditSink,
    AuditVerification,
    LedgerHead,
    User,
)
from apps.users.models.audit import known_actions
from apps.users.selectors.access import Actor, require

# An event that waits longer than this for its seal means that nobody seals.
LAG_WARN, LAG_FAIL = dt.timedelta(minutes=1), dt.timedelta(minutes=15)
BEHIND = dt.timedelta(minutes=30)
# People whose names a filter may fit; more than so many is no question about one of them.
_MOST_PEOPLE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events.

    Args:
        who: part of an actor's name or address, or the whole of an actor's id ("user:…").
        action: one action, or all of an area: "backup" or "backup.*".
        outcome: "allowed", "denied" or "failed".
        workspace: id.
        object_type, object_id: the row that it was done to.
        about: id of a row or of a request, whichever it is.
        since, until: from this moment on, up to that one.
        request_id: of one request.
    """

    who: str = ""
    action: str = ""
    outcome: str = ""
    workspace: uuid.UUID | None = None
    object_type: str = ""
    object_id: str = ""
    about: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    request_id: str = ""

    def as_facts(self) -> dict[str, Any]:
        """Those that were set, for the record of who read what."""
        return {name: str(value) for name, value in asdict(self).items() if value}


def matching(events: QuerySet[AuditEvent], wanted: EventFilter) -> QuerySet[AuditEvent]:
    """Narrow a list of events.

    Raises:
        InvalidInput: there is no such action or outcome.
    """
    if wanted.who:
        named = Q(actor_label__icontains=wanted.who) | Q(actor_id=wanted.who) | Q(token_key_id=wanted.who)
        people = User.objects.filter(Q(email__icontains=wanted.who) | Q(full_name__icontains=wanted.who))
        ids = [f"user:{key}" for key in people.order_by().values_list("pk", flat=True)[:_MOST_PEOPLE]]
        events = events.filter(named | Q(actor_id__in=ids))
    if wanted.action:
        area = wanted.action.removesuffix(".*")
        if wanted.action in known_actions():
            events = events.filter(action=wanted.action)
        elif any(name.startswith(f"{area}.") for name in known_actions()):
            events = events.filter(action__startswith=f"{area}.")
        else:
            raise InvalidInput(
                f"There is no action '{wanted.action[:60]}'.",
                field="action",
                remedy="Use an action such as token.created, or an area such as backup.*.",
            )
    if wanted.outcome:
        if wanted.outcome not in AuditEvent.Outcome.values:
            raise InvalidInput(
                f"There is no outcome '{wanted.outcome[:20]}'.",
                field="outcome",
                remedy=f"Use {', '.join(AuditEvent.Outcome.values)}.",
            )
        events = events.filter(outcome=wanted.outcome)
    if wanted.about:
        events = events.filter(Q(object_id=wanted.about) | Q(request_id=wanted.about))
    exact = {
        "workspace_id": wanted.workspace,
        "object_type": wanted.object_type,
        "object_id": wanted.object_id,
        "request_id": wanted.request_id,
        "occurred_at__gte": wanted.since,
        "occurred_at__lt": wanted.until,
    }
    return events.filter(**{name: value for name, value in exact.items() if value})


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStatus:
    """How the chain stands.

    Args:
        sealed: number of the last sealed event.
        unsealed: how many wait for their seal.
        waiting_seconds: how long the oldest of them has waited.
    """

    sealed: int
    sealed_at: dt.datetime | None
    unsealed: int
    waiting_seconds: float
    checkpoint: AuditCheckpoint | None
    verification: AuditVerification | None
    sinks: int
    sinks_behind: list[AuditSink]
    archived: int

    @property
    def worst(self) -> str:
        """ "ok", "warn" or "fail"."""
        if self.verification is not None and self.verification.state == "changed":
            return "fail"
        if self.waiting_seconds > LAG_FAIL.total_seconds():
            return "fail"
        if self.waiting_seconds > LAG_WARN.total_seconds() or self.sinks_behind or not self.sinks:
            return "warn"
        return "warn" if self.verification is None or self.verification.state == "failed" else "ok"


def ledger_status(actor: Actor) -> LedgerStatus:
    """How the chain stands. Needs "audit.read"."""
    require(actor, "audit.read")
    return present_status()


def present_status() -> LedgerStatus:
    """The same without asking for permission, for the health check."""
    now = timezone.now()
    head = LedgerHead.objects.filter(pk=1).first()
    waiting = AuditEvent.objects.filter(seq=None)
    oldest = waiting.order_by("occurred_at").values_list("occurred_at", flat=True).first()
    checkpoint = AuditCheckpoint.objects.order_by("-created_at", "-id").first()
    sinks = list(AuditSink.objects.filter(enabled=True))
    behind = [
        sink
        for sink in sinks
        if checkpoint is not None
        and sink.last_seq < checkpoint.seq
        and (sink.last_ok_at is None or now - sink.last_ok_at > BEHIND)
        and now - (sink.failing_since or sink.created_at) > BEHIND
    ]
    return LedgerStatus(
        sealed=head.seq if head else 0,
        sealed_at=head.sealed_at if head else None,
        unsealed=waiting.count(),
        waiting_seconds=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
        checkpoint=checkpoint,
        verification=AuditVerification.objects.filter(state__in=AuditVerification.FINAL_STATES).first(),
        sinks=len(sinks),
        sinks_behind=behind,
        archived=AuditSegment.objects.count(),
    )


def checkpoints_for(actor: Actor) -> QuerySet[AuditCheckpoint]:
    """All checkpoints. Needs "audit.read"."""
    require(actor, "audit.read")
    return AuditCheckpoint.objects.all()


def verifications_for(actor: Actor) -> QuerySet[AuditVerification]:
    """All verifications. Needs "audit.read"."""
    require(actor, "audit.read")
    return AuditVerification.objects.all()


def segments_for(actor: Actor) -> QuerySet[AuditSegment]:
    """All archived segments. Needs "audit.read"."""
    require(actor, "audit.read")
    return AuditSegment.objects.all()
