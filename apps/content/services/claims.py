"""Taking a generation over: from the queue, or from a worker that is gone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.backends.services.models import AttemptEnded, AttemptStarted
from apps.content.models import Generation, GenerationEvent
from apps.content.services.events import LEASE

# A generation that has killed its worker so often without a word of progress will do so again.
MAX_STALLS = 10


@dataclass(slots=True)
class Claim:
    """What a worker knows of a generation that it has taken.

    Args:
        row: as it was at the claim.
        fence: names our claim in every write.
        written: the text in the events.
        seq: number of the last event.
        spans: which model wrote which characters.
        finished: why the model stopped, when it had already; "" while there is text to come.
        has_passages: the browser was told of the passages.
        attempts: number of the last attempt.
    """

    row: Generation
    fence: int
    written: str = ""
    seq: int = 0
    spans: list[dict[str, Any]] = field(default_factory=list)
    finished: str = ""
    has_passages: bool = False
    attempts: int = 0


def take(generation_id: uuid.UUID) -> Claim | None:
    """Claim a generation and read how far it is.

    Returns:
        None when it is finished or somebody else has it.
    """
    # One transaction: the events are read while nobody else can add any, and SQLite takes its write lock once.
    with transaction.atomic():
        row = Generation.objects.select_related("requested_by").claim_row(
            generation_id,
            lease=LEASE,
            to_state=Generation.State.RUNNING,
            started_at=Coalesce("started_at", timezone.now()),
            updated_at=timezone.now(),
        )
        if row is None:
            return None
        claim = Claim(row=row, fence=row.fence)
        _read_events(claim)
        progress = row.attempts <= 1 or len(claim.written) > row.partial_length
        found = (0 if progress else row.stalls + 1, len(claim.written), claim.seq)
        if found != (row.stalls, row.partial_length, row.last_seq):
            row.stalls, row.partial_length, row.last_seq = found
            row.save(update_fields=["stalls", "partial_length", "last_seq"])
    return claim


def give_back(claim: Claim) -> None:
    """Put a generation back into the queue for another worker. Inside a transaction that holds the row."""
    Generation.objects.held(claim.row.pk, fence=claim.fence).update(
        state=Generation.State.QUEUED, lease_until=None, queued_at=timezone.now()
    )


def reclaim_of(worker_names: list[str]) -> int:
    """Let go of what dead workers of this machine held, without waiting for their leases.

    Safe even when one of them is alive: it notices by its fence that the claim is gone, and adds nothing more.

    Returns:
        how many were let go.
    """
    with transaction.atomic():
        return Generation.objects.filter(state__in=Generation.HELD_STATES, worker__in=worker_names).update(
            lease_until=timezone.now()
        )


def _read_events(claim: Claim) -> None:
    """Fold the events into what the claim needs to know."""
    pieces: list[str] = []
    length = 0
    rows = GenerationEvent.objects.filter(generation_id=claim.row.pk).order_by("seq")
    for seq, kind, data in rows.values_list("seq", "type", "data").iterator():
        claim.seq = seq
        if kind == "delta":
            pieces.append(data["text"])
            length += len(data["text"])
            if claim.spans:
                claim.spans[-1]["end"] = length
        elif kind == "attempt":
            follow_attempt(claim.spans, data, length)
            claim.attempts = max(claim.attempts, data.get("number", 0))
        elif kind == "passages":
            claim.has_passages = True
        elif kind == "status" and data.get("finish_reason"):
            claim.finished = data["finish_reason"]
    claim.written = "".join(pieces)


def follow_attempt(spans: list[dict[str, Any]], data: dict[str, Any], length: int) -> None:
    """Note in the list of spans that an attempt has begun or failed.

    Args:
        spans: as in `Claim`; changed in place.
        data: of the event "attempt".
        length: characters of text at that moment.
    """
    if data.get("state") == "started":
        last = spans[-1] if spans else None
        if last and not last["error_kind"] and all(last[n] == data.get(n, "") for n in ("model", "profile", "plugin")):
            # The same model goes on after its own limit: one writer, not one more.
            last["number"] = data.get("number", 0)
            return
        spans.append(
            {name: data.get(name, "") for name in ("number", "label", "model", "profile", "plugin")}
            | {"start": length, "end": length, "error_kind": ""}
        )
    elif spans:
        spans[-1]["error_kind"] = data.get("error_kind", "")


def attempt_event(item: AttemptStarted | AttemptEnded, spans: list[dict[str, Any]]) -> dict[str, Any]:
    """What a browser is told of an attempt."""
    if isinstance(item, AttemptStarted):
        return {
            "state": "started",
            "number": item.number,
            "call_id": str(item.call_id),
            "label": item.label,
            "model": item.model,
            "profile": item.profile_name,
            "plugin": item.plugin_key,
        }
    return {
        "state": "ended",
        "number": spans[-1]["number"] if spans else 0,
        "call_id": str(item.call_id),
        "error_kind": item.error_kind,
        "message": item.message,
        "remedy": item.remedy,
        "next_label": item.next_label,
    }
