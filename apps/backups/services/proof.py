"""What a proof pack says about backups: which restores were rehearsed, and how that went."""

from __future__ import annotations

from django.utils import timezone

from apps.backups.models import BackupSet, Drill
from apps.users.services.proof_parts import Part, Period, text_of


def drills(period: Period) -> Part:
    """Every drill of the month, and the newest before it that succeeded."""
    ended = Drill.objects.filter(period.covers("finished_at")).order_by("finished_at")
    rows = [_row(each) for each in ended.select_related("destination", "delegate")]
    good = sum(row["state"] == "succeeded" for row in rows)
    earlier = Drill.objects.filter(state="succeeded", finished_at__lt=period.since).order_by("-finished_at").first()
    made = BackupSet.objects.filter(period.covers("created_at")).count()
    facts = {
        "sets_made": made,
        "drills": rows,
        "newest_success_before": _row(earlier) if earlier else None,
        "read_at": timezone.now(),
    }
    if rows:
        says = f"{len(rows)} drills, {good} succeeded; {made} backup sets were made."
    else:
        says = f"No restore was rehearsed in the month; {made} backup sets were made."
    return Part(name="drills", present=bool(rows), says=says, files={"drills.json": text_of(facts)})


def _row(drill: Drill) -> dict[str, object]:
    return {
        "id": str(drill.pk),
        "of": str(drill.destination or drill.delegate),
        "set": drill.set_name,
        "moment": drill.moment,
        "state": drill.state,
        "trigger": drill.trigger,
        "finished_at": drill.finished_at,
        "rpo_seconds": drill.rpo_seconds,
        "rto_seconds": drill.rto_seconds,
        "findings": drill.findings,
        "error": drill.error,
    }
