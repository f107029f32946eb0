"""Checks of the backups: made in time, shown by a restore, copied elsewhere."""

from __future__ import annotations

from collections.abc import Collection

from apps.backups.selectors.status import Status, present_status
from apps.backups.services.moments import present_capture
from apps.monitoring.services.checks import Result, check

_MADE = ("none", "overdue", "failed", "shrunken", "damaged", "incomplete", "fills", "delegate", "segments")
_PROOF = ("unproven",)
_COPIES = ("same_device", "diverged", "key")


@check("backups", title="Backups", interval=120, deadline=10)
def backups() -> Result:
    """Whether backups are made in time and are sound."""
    status = present_status()
    return _result(status, _MADE, status.headline)


@check("backup_proof", title="Restore drills", interval=300, deadline=10)
def backup_proof() -> Result:
    """Whether a restore has been shown, lately."""
    status = present_status()
    drill = status.last_drill
    good = "Nothing is there to be restored yet."
    if drill is not None:
        good = f"Shown on {drill.created_at:%Y-%m-%d}: the portal served again after {drill.rto_seconds or 0:.1f} s."
    return _result(status, _PROOF, good)


@check("backup_copies", title="Copies of the backups", interval=300, deadline=10)
def backup_copies() -> Result:
    """Whether the backups survive the loss of the machine: a copy elsewhere that is whole, and the key."""
    status = present_status()
    return _result(status, _COPIES, "The backups are on another device too.")


@check("backup_capture", title="Captured changes", interval=30, deadline=10, runbook="operators/checks")
def backup_capture() -> Result:
    """Whether every change between two backups is captured, and how far behind the capture is."""
    found = present_capture()
    data = {"lag_seconds": round(found.lag, 1)} if found.lag is not None else {}
    return Result(
        status="ok" if found.state == "off" else found.state,  # type: ignore[arg-type]
        message=found.problem or found.headline,
        remedy=found.remedy,
        data=data,
    )


def _result(status: Status, keys: Collection[str], good: str) -> Result:
    problems = [problem for problem in status.problems if problem.key in keys]
    data = {"sets": float(status.sets), "stored_bytes": float(status.stored_bytes)}
    if status.last_drill is not None and status.last_drill.rto_seconds is not None:
        data["rto_seconds"] = status.last_drill.rto_seconds
    if not problems:
        return Result(status="ok", message=good, data=data)
    problems.sort(key=lambda problem: problem.severity != "fail")
    worst = problems[0]
    others = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
    return Result(
        status="fail" if worst.severity == "fail" else "warn",
        message=worst.message + others,
        remedy=worst.remedy,
        data=data,
    )
