"""Seals the audit record: numbers new events, chains them, and signs checkpoints.

Events are written in the transaction of the act and sealed a few seconds later by whoever holds the head's lease, in batches
of one transaction each. A sealer that is killed leaves a batch sealed or not sealed, never half; a second one finds the lease
taken, and a first one that was only slow finds its fencing number gone. Sealing within the acts themselves would queue all of
them up behind one row: measured, an eighth of the throughput.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from aiwriter.core import keyring, ledger
from aiwriter.core.errors import Conflict
from aiwriter.core.leases import worker_name
from apps.users.models import AuditCheckpoint, AuditEvent, AuditSink, LedgerHead
from apps.users.selectors.access import Actor, require
from apps.users.services import audit, ledger_delivery
from apps.users.services.keys import installed_key

logger = logging.getLogger(__name__)

BATCH = 500
LEASE = dt.timedelta(seconds=30)
EVERY = dt.timedelta(minutes=5)


class LostLease(Exception):
    """Somebody else seals."""


def seal_pending(*, batch: int = BATCH, limit: int = 100_000) -> int:
    """Seal what has not been sealed yet.

    Args:
        batch: events of one transaction.
        limit: after about so many it stops and leaves the rest to the next call.

    Returns:
        how many were sealed; 0 too when somebody else is at it.
    """
    if not AuditEvent.objects.filter(seq=None).exists():
        return 0
    fence = _claim()
    if fence is None:
        return 0
    sealed = 0
    try:
        while sealed < limit:
            done = _seal_batch(fence, batch)
            sealed += done
            if done < batch:
                break
    except LostLease:
        logger.warning("The audit record is being sealed by somebody else; this sealer stops.")
    finally:
        LedgerHead.objects.filter(pk=1, fence=fence).update(lease_until=None)
    return sealed


def _claim() -> int | None:
    now = timezone.now()
    LedgerHead.objects.get_or_create(pk=1)
    taken = LedgerHead.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), pk=1).update(
        lease_until=now + LEASE, fence=F("fence") + 1, worker=worker_name()
    )
    return LedgerHead.objects.values_list("fence", flat=True).get(pk=1) if taken else None


def _seal_batch(fence: int, size: int) -> int:
    key = installed_key("audit")
    writers = [each for each in keyring.load().of("audit") if each.usable]
    with transaction.atomic():
        head = LedgerHead.objects.select_for_update().get(pk=1)
        if head.fence != fence:
            raise LostLease
        events = list(AuditEvent.objects.filter(seq=None).order_by("occurred_at", "id")[:size])
        if not events:
            return 0
        started = head.seq > 0
        now = timezone.now()
        rows: list[tuple[Any, ...]] = []
        for event in events:
            head.seq += 1
            event.seq, event.previous_hash, event.seal_key_id, event.sealed_at = head.seq, head.hash, key.id, now
            event.origin = _origin(event, writers, started=started)
            text = ledger.canonical([getattr(event, name) for name in ledger.COLUMNS])
            event.hash = head.hash = ledger.hash_of(key.material, text)
            head.root = ledger.root_of(head.root, text)
            rows.append((event.seq, event.previous_hash, event.hash, key.id, _stored(now), event.origin, _key(event)))
        _write(rows)
        head.sealed_at = now
        head.lease_until = timezone.now() + LEASE
        head.save(update_fields=["seq", "hash", "root", "sealed_at", "lease_until"])
    return len(events)


def _origin(event: AuditEvent, writers: list[keyring.Key], *, started: bool) -> str:
    if event.mac is None:
        # Only what stood there before the first sealing can be without it.
        return AuditEvent.Origin.FORGED if started else AuditEvent.Origin.OLDER
    if any(audit.mac_of(event, key) == event.mac for key in writers):
        return AuditEvent.Origin.PORTAL
    return AuditEvent.Origin.FORGED


_UPDATE = (
    "UPDATE users_auditevent SET seq = %s, previous_hash = %s, hash = %s, seal_key_id = %s, sealed_at = %s, origin = %s "
    "WHERE id = %s AND seq IS NULL"
)


def _write(rows: list[tuple[Any, ...]]) -> None:
    # One statement for each row, sent together: `bulk_update` writes one CASE of all rows, which takes ten times as long.
    with connection.cursor() as cursor:
        cursor.executemany(_UPDATE, rows)


def _stored(moment: dt.datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _key(event: AuditEvent) -> Any:
    return event.pk.hex if connection.vendor == "sqlite" else event.pk


def make_checkpoint(*, reason: str = "schedule", force: bool = False) -> AuditCheckpoint | None:
    """Sign the present end of the record, and send the statement to all places outside.

    Args:
        reason: "schedule", "start", "command", "person".
        force: also when the last one says the same.

    Returns:
        the checkpoint; None when nothing is new.
    """
    key = installed_key("checkpoint")
    with transaction.atomic():
        LedgerHead.objects.get_or_create(pk=1)
        head = LedgerHead.objects.select_for_update().get(pk=1)
        last = AuditCheckpoint.objects.order_by("-created_at", "-id").first()
        if head.seq == 0 or (last is not None and last.seq == head.seq and not force):
            return None
        signed = ledger.Checkpoint(
            seq=head.seq,
            hash=head.hash,
            root=head.root,
            made_at=timezone.now().isoformat(timespec="milliseconds"),
            ledger=last.ledger if last else f"ledger-{keyring.load().of('audit')[0].id}",
            previous=last.signed.digest if last else "",
            key_id=key.id,
        )
        row = AuditCheckpoint.objects.create(
            seq=signed.seq,
            hash=signed.hash,
            root=signed.root,
            made_at=signed.made_at,
            ledger=signed.ledger,
            previous=signed.previous,
            key_id=key.id,
            signature=ledger.sign(key.material, signed),
            reason=reason,
        )
        for sink in AuditSink.objects.filter(enabled=True):
            ledger_delivery.deliver(sink, checkpoint=row)
    return row


def checkpoint_if_due() -> AuditCheckpoint | None:
    """The schedule's checkpoint, every five minutes while there is something new."""
    last = AuditCheckpoint.objects.order_by("-created_at", "-id").values_list("created_at", flat=True).first()
    if last is not None and timezone.now() - last < EVERY:
        return None
    return make_checkpoint()


def checkpoint_at_start() -> None:
    """Seal and sign at each start of the portal, so that every deployment begins with a signed record."""
    seal_pending()
    make_checkpoint(reason="start")


def request_checkpoint(*, actor: Actor) -> AuditCheckpoint:
    """Seal and sign now.

    Args:
        actor: needs "audit.manage".

    Raises:
        PermissionDenied: the actor may not.
        Conflict: there is nothing to sign yet.
    """
    require(actor, "audit.manage")
    audit.record(actor, "audit.checkpoint_requested")
    seal_pending()
    row = make_checkpoint(reason="person", force=True)
    if row is None:
        raise Conflict("There is nothing to sign yet.", remedy="Try again in some seconds.")
    return row
