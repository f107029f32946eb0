"""Celery entrances of the app."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.users.services import (
    idempotency,
    invitations,
    key_rotation,
    ledger_archive,
    ledger_checks,
    ledger_delivery,
    ledger_sealing,
    limits,
    privacy_runs,
    proofs,
    retention,
    reviews,
    uses,
)


@shared_task(name="users.prune_idempotency")
def prune_idempotency() -> None:
    """Forget answers that no client will ask for again, and rows whose time the data map says is over."""
    idempotency.prune()
    retention.prune()


@shared_task(name="users.prune_rate_limits")
def prune_rate_limits() -> None:
    """Forget callers who have not asked for an hour, and counts of uses that no review asks for."""
    limits.prune()
    uses.prune_uses()


@shared_task(name="users.seal_audit", time_limit=300, soft_time_limit=280)
def seal_audit() -> int:
    """Seal new events of the audit record, and sign a checkpoint when one is due."""
    sealed = ledger_sealing.seal_pending()
    ledger_sealing.checkpoint_if_due()
    return sealed


@shared_task(name="users.sweep_audit")
def sweep_audit() -> int:
    """Wake deliveries and verifications that wait, and begin the daily verification."""
    ledger_checks.verify_daily()
    return ledger_delivery.sweep_deliveries() + ledger_checks.sweep_verifications() + key_rotation.sweep_rewraps()


@shared_task(name="users.deliver_audit", time_limit=60, soft_time_limit=50)
def deliver_audit(delivery_id: str) -> None:
    """Take a checkpoint or a segment to a place outside."""
    ledger_delivery.run_delivery(uuid.UUID(delivery_id))


@shared_task(name="users.verify_audit")
def verify_audit(verification_id: str) -> None:
    """Verify the whole audit record."""
    ledger_checks.run_verification(uuid.UUID(verification_id))


@shared_task(name="users.archive_audit")
def archive_audit() -> None:
    """Move old events into a sealed segment, and release those that places outside have."""
    ledger_archive.archive_old()


@shared_task(name="users.rewrap_secrets")
def rewrap_secrets(job_id: str) -> None:
    """Seal secrets anew with the present key."""
    key_rotation.run_rewrap(uuid.UUID(job_id))


@shared_task(name="users.mail_invitation")
def mail_invitation(invitation_id: str) -> None:
    """Send an invitation's link. One that a mail server did not take is swept up and tried again."""
    invitations.mail_invitation(invitation_id=invitation_id)


@shared_task(name="users.sweep_invitations")
def sweep_invitations() -> None:
    """Try again what could not be mailed."""
    invitations.sweep_invitations()


@shared_task(name="users.run_privacy", time_limit=7200, soft_time_limit=7100)
def run_privacy(request_id: str) -> None:
    """Carry out what was decided about somebody's data."""
    privacy_runs.run(uuid.UUID(request_id))


@shared_task(name="users.sweep_privacy")
def sweep_privacy() -> None:
    """Wake requests about personal data that wait, and remove exports whose days are over."""
    privacy_runs.sweep()


@shared_task(name="users.sweep_reviews", time_limit=300, soft_time_limit=280)
def sweep_reviews() -> int:
    """Begin access reviews that are due again, and deal with those that nobody has decided in time."""
    return reviews.sweep_reviews()


@shared_task(name="users.make_proof_pack", time_limit=600, soft_time_limit=580)
def make_proof_pack(pack_id: str) -> None:
    """Make the signed file of a month."""
    proofs.run_pack(uuid.UUID(pack_id))


@shared_task(name="users.sweep_proof_packs")
def sweep_proof_packs() -> int:
    """Begin the packs of months that are over, and wake those that wait."""
    return proofs.sweep_packs()
