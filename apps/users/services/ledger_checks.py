"""Verifies the whole record: hashes, numbers, order, clock, checkpoints; as a job, for the console and the health page."""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core import keyring, ledger
from aiwriter.core.errors import AppError, Conflict
from aiwriter.core.queue import enqueue
from apps.users.models import AuditCheckpoint, AuditVerification
from apps.users.selectors.access import Actor, require
from apps.users.services import audit, ledger_files
from apps.users.services.notifications import tell_auditors

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(minutes=20)
KEPT_FINDINGS = 200
MAX_ATTEMPTS = 3


def request_verification(*, actor: Actor) -> AuditVerification:
    """Have the whole record verified by a worker.

    Args:
        actor: needs "audit.read".

    Raises:
        PermissionDenied: the actor may not.
        Conflict: one is running already.
    """
    require(actor, "audit.read")
    with transaction.atomic():
        if AuditVerification.objects.exclude(state__in=AuditVerification.FINAL_STATES).exists():
            raise Conflict("A verification is running already.", remedy="Wait for its result.")
        row = AuditVerification.objects.create(requested_by=actor.user)
        audit.record(actor, "audit.verification_requested", obj=row)
        enqueue("users.verify_audit", verification_id=str(row.pk))
    return row


def verify_daily() -> AuditVerification | None:
    """The schedule's verification, once a day. Returns it when it was begun."""
    since = timezone.now() - dt.timedelta(hours=24)
    if AuditVerification.objects.filter(created_at__gte=since).exists():
        return None
    with transaction.atomic():
        row = AuditVerification.objects.create()
        enqueue("users.verify_audit", verification_id=str(row.pk))
    return row


def sweep_verifications() -> int:
    """Wake those whose message or worker was lost. Returns how many."""
    patience = timezone.now() - dt.timedelta(seconds=30)
    ids = list(AuditVerification.objects.claimable().filter(queued_at__lt=patience).values_list("pk", flat=True)[:5])
    for each in ids:
        enqueue("users.verify_audit", verification_id=str(each))
    return len(ids)


def run_verification(verification_id: uuid.UUID) -> None:
    """Verify and write the result down. Quiet when somebody else is at it."""
    fence = AuditVerification.objects.claim(verification_id, lease=LEASE, to_state="running")
    if fence is None:
        return
    row = AuditVerification.objects.get(pk=verification_id)
    held = AuditVerification.objects.held(verification_id, fence=fence)
    if row.attempts > MAX_ATTEMPTS:
        held.update(state="failed", lease_until=None, finished_at=timezone.now(), error="It has ended its worker.")
        return
    begun = time.monotonic()
    try:
        report = verify_record()
    except AppError as error:
        held.update(state="failed", lease_until=None, finished_at=timezone.now(), error=str(error))
        tell_auditors("audit.unverified", "The audit record could not be verified.", str(error))
        return
    fields: dict[str, Any] = {
        "state": "sound" if report.ok else "changed",
        "lease_until": None,
        "finished_at": timezone.now(),
        "seconds": round(time.monotonic() - begun, 3),
        "events": report.checked,
        "first_seq": report.first_seq,
        "last_seq": report.last_seq,
        "checkpoints": report.checkpoints,
        "findings": [each.as_json() for each in report.findings[:KEPT_FINDINGS]],
    }
    if held.update(**fields) and not report.ok:
        first = report.findings[0]
        tell_auditors("audit.changed", "The audit record is not as it was sealed.", first.message)


def verify_record(extra: Iterable[ledger.Checkpoint] = ()) -> ledger.Report:
    """Verify the record in this database against its own checkpoints and others.

    Args:
        extra: checkpoints that were kept elsewhere.

    Raises:
        Unavailable: an archived segment cannot be read.
    """
    points = [row.signed for row in AuditCheckpoint.objects.order_by("seq").iterator()]
    known = {point.digest for point in points}
    points += [point for point in extra if point.digest not in known]
    return verify_rows(ledger_files.every_row, points)


def verify_rows(
    rows: Callable[[], Iterable[ledger.Row]],
    checkpoints: Sequence[ledger.Checkpoint],
    *,
    start: ledger.Start = ledger.Start(),  # noqa: B008  frozen
    public_keys: Mapping[str, str] | None = None,
) -> ledger.Report:
    """Verify rows from anywhere with the keyring, or without one by public keys alone.

    Args:
        rows: gives them, as often as it is called.
        checkpoints: signed statements.
        start: what stands before the first row.
        public_keys: trusted signers by key id, in place of the keyring.
    """
    if public_keys is not None:
        return ledger.Verifier(
            lambda _: None, start=start, checkpoints=checkpoints, public_keys=public_keys, with_keys=False
        ).run(rows(), rows)
    return ledger.Verifier(_key, start=start, checkpoints=checkpoints, public_keys=trusted()).run(rows(), rows)


def trusted() -> dict[str, str]:
    """Public keys of the keyring's checkpoint keys, by id. One that was retired still confirms what it signed."""
    return {key.id: ledger.public_key(key.material) for key in keyring.load().of("checkpoint") if key.usable}


def _key(key_id: str) -> bytes | None:
    key = keyring.load().keys.get(key_id or "")
    return key.material if key is not None and key.usable and key.purpose == "audit" else None
