"""Checks of the audit record, of the keyring and of the privacy desk."""

from __future__ import annotations

from aiwriter.core import keyring
from aiwriter.core.errors import AppError
from apps.monitoring.services.checks import Result, check
from apps.users.selectors.ledger import LAG_FAIL, LAG_WARN, present_status
from apps.users.selectors.privacy import waiting_counts
from apps.users.services import retention
from apps.users.services.keys import check_ring, due


@check("audit_record", title="Audit record", interval=60, deadline=10)
def audit_record() -> Result:
    """Whether events are sealed in time, checkpoints leave the machine, and the record is as it was sealed."""
    status = present_status()
    data = {"sealed": float(status.sealed), "unsealed": float(status.unsealed), "lag_seconds": status.waiting_seconds}
    verification = status.verification
    if verification is not None and verification.state == "changed":
        first = verification.findings[0]["message"] if verification.findings else ""
        return Result(
            status="fail",
            message=f"The audit record is not as it was sealed. {first}",
            remedy="Keep the database as it is, and compare it with the checkpoints outside.",
            data=data,
        )
    if status.waiting_seconds > LAG_WARN.total_seconds():
        return Result(
            status="fail" if status.waiting_seconds > LAG_FAIL.total_seconds() else "warn",
            message=f"{status.unsealed} events wait for their seal, the oldest for {status.waiting_seconds:.0f} s.",
            remedy="Look whether the worker and the scheduler run, and whether the keyring can be read.",
            data=data,
        )
    if status.sinks_behind:
        sink = status.sinks_behind[0]
        return Result(
            status="warn",
            message=f"The place '{sink.name}' has checkpoints up to event {sink.last_seq} only. {sink.last_error}",
            remedy="See Console > Seal of the record.",
            data=data,
        )
    if verification is not None and verification.state == "failed":
        return Result(
            status="warn",
            message=f"The audit record could not be verified. {verification.error}",
            remedy="Mend what the message names, then verify again: Console > Seal of the record.",
            data=data,
        )
    outside = f"{status.sinks} places outside have" if status.sinks != 1 else "1 place outside has"
    where = f"{outside} its checkpoints." if status.sinks else "Its checkpoints stay on this machine."
    return Result(status="ok", message=f"Sealed up to event {status.sealed}. {where}", data=data)


@check("keyring_state", title="Keys", interval=300, deadline=5)
def keyring_state() -> Result:
    """Whether the keyring can be read and holds every key that is needed, and which keys are to be replaced."""
    try:
        check_ring()
        ring = keyring.load()
    except AppError as error:
        return Result(status="fail", message=error.message, remedy=error.remedy)
    late = due(ring)
    data = {"keys": float(len(ring.keys)), "due": float(len(late))}
    if late:
        key, days = late[0]
        when = f"is to be replaced within {days} days" if days >= 0 else f"should have been replaced {-days} days ago"
        more = f" And {len(late) - 1} more." if len(late) > 1 else ""
        return Result(
            status="warn",
            message=f"The key {key.id} for '{key.purpose}' {when}.{more}",
            remedy=f"Replace it: manage.py keys rotate {key.purpose}",
            data=data,
        )
    return Result(status="ok", message=f"{len(ring.keys)} keys, none due.", data=data)


@check("privacy_requests", title="Requests about personal data", interval=600, deadline=5)
def privacy_requests() -> Result:
    """Whether what people ask about their data is answered in time."""
    late, soon, failed = waiting_counts()
    data = {"late": float(late), "soon": float(soon), "failed": float(failed)}
    remedy = "Decide at Console > Privacy desk."
    if late:
        return Result(status="fail", message=f"Requests that are late: {late}.", remedy=remedy, data=data)
    if soon or failed:
        message = f"Requests that are due within five days: {soon}; that failed: {failed}."
        return Result(status="warn", message=message, remedy=remedy, data=data)
    return Result(status="ok", message="No request is late.", data=data)


@check("retention", title="Retention", interval=3600, deadline=10)
def retention_kept() -> Result:
    """Whether rows go when the data map says so, judged by the oldest one that is there."""
    late = retention.overdue()
    data = {"late": float(len(late))}
    if late:
        label, since = min(late.items(), key=lambda each: each[1])
        return Result(
            status="warn",
            message=f"{label} has a row of {since:%Y-%m-%d} that should have gone. Tables with such rows: {len(late)}.",
            remedy="Look whether the worker and the scheduler run: the job users.prune_idempotency deletes such rows hourly.",
            data=data,
        )
    return Result(status="ok", message="No row is older than it may be.", data=data)
