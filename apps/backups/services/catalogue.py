"""The portal's list of what the repositories hold. The repositories are the truth; the list can always be made anew."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.backups.models import BackupRun, BackupSet, Destination
from apps.backups.services.alerts import tell_operators

State = BackupSet.State


def columns_of(info: Any) -> dict[str, Any]:
    """What a row remembers of a manifest; everything of it can be read without a key."""
    extra = info.extra
    database = extra.get("database", {})
    tables = database.get("tables", {})
    return {
        "created_at": parse_datetime(str(extra.get("snapshot_at", ""))) or _aware(info.created),
        "bytes_source": info.bytes_source,
        "bytes_added": info.bytes_added,
        "entries": info.entries,
        "rows": sum(int(each["rows"]) for each in tables.values()),
        "files": int(extra.get("files", {}).get("count", 0)),
        "portal_version": str(extra.get("portal", ""))[:40],
        "engine": str(database.get("engine", ""))[:20],
        "engine_version": str(database.get("version", ""))[:40],
        "capture": extra.get("capture", {}),
        "heads": database.get("heads", {}),
        "missing": extra.get("missing", []),
    }


def _aware(moment: Any) -> dt.datetime:
    found = moment if isinstance(moment, dt.datetime) else parse_datetime(str(moment))
    if found is None:
        return timezone.now()
    return found if timezone.is_aware(found) else found.replace(tzinfo=dt.UTC)


def remember(destination: Destination, info: Any, *, run: BackupRun | None = None) -> BackupSet:
    """The row of a set; made when there is none yet."""
    columns = columns_of(info)
    state = State.INCOMPLETE if columns["missing"] else State.COMMITTED
    row, _ = BackupSet.objects.get_or_create(
        destination=destination, name=str(info.id), defaults={**columns, "state": state, "run": run}
    )
    return row


def synchronise(destination: Destination, repository: Any) -> tuple[int, int]:
    """Bring the list in line with the repository, as after a restore, whose database knows an older list.

    Returns:
        how many sets were added and how many forgotten.
    """
    there = {str(info.id): info for info in repository.sets()}
    with transaction.atomic():
        known = set(BackupSet.objects.filter(destination=destination).values_list("name", flat=True))
        for name in there.keys() - known:
            remember(destination, there[name])
        forgotten = BackupSet.objects.filter(destination=destination, name__in=known - there.keys())
        count = forgotten.count()
        forgotten.delete()
    return len(there.keys() - known), count


def note_check(
    destination: Destination, report: Any, *, newest: BackupSet | None = None, deep: bool = False
) -> list[str]:
    """Write down what a check found: damaged sets are marked, and a written set counts as checked.

    Args:
        destination: whose repository was checked.
        report: of the engine.
        newest: the set that has just been written.
        deep: whether contents were decrypted.

    Returns:
        names of the sets that cannot be restored whole.
    """
    now = timezone.now()
    damaged = set(report.broken_sets)
    rows = BackupSet.objects.filter(destination=destination)
    fresh = rows.filter(name__in=damaged).exclude(state=State.DAMAGED)
    if names := sorted(fresh.values_list("name", flat=True)):
        fresh.update(state=State.DAMAGED, problem=words_of(report)[:1000])
        tell_operators(
            "backup.damaged",
            f"{len(names)} backup sets in '{destination.name}' are damaged.",
            "Run a backup: what the portal still has is stored again. Then check once more, or mend from the copy.",
        )
    _note_segments(destination, report, now)
    # A backup may have stored again what was lost.
    healed = rows.filter(state=State.DAMAGED).exclude(name__in=damaged)
    healed.update(state=State.COMMITTED, problem="")
    good = rows.exclude(name__in=damaged)
    if newest is not None:
        good = good.filter(pk=newest.pk)
    good.update(verified_at=now)
    if deep:
        good.update(deep_verified_at=now)
    good.filter(state=State.COMMITTED).update(state=State.VERIFIED)
    return sorted(damaged)


def _note_segments(destination: Destination, report: Any, now: dt.datetime) -> None:
    """Tell once when captured changes are lost: moments across them cannot be reached, and the next base is made at once."""
    lost = [each for each in report.problems if each.kind == "segment"]
    rows = Destination.objects.filter(pk=destination.pk)
    if not lost:
        rows.exclude(segments_lost_at=None).update(segments_lost_at=None)
    elif rows.filter(segments_lost_at=None).update(segments_lost_at=now):
        tell_operators(
            "backup.damaged",
            f"Captured changes in '{destination.name}' are lost.",
            f"{lost[0].name}: {lost[0].what}. Moments across it cannot be restored, unless a copy has it: start a copy. "
            "The next backup begins anew, so that later moments can be reached.",
            f"/admin/backups/destination/{destination.pk}/change/",
        )


def words_of(report: Any) -> str:
    """What a check found, in a sentence or two."""
    looked = f"{report.packs_read:,} of {report.packs:,} packs read, {report.bytes_read / 2**20:,.1f} MiB; {report.sets:,} sets."
    if report.ok:
        return f"nothing is damaged. {looked}"
    first = "; ".join(f"{each.name[:40]}: {each.what}" for each in report.problems[:5])
    more = f" and {len(report.problems) - 5} more" if len(report.problems) > 5 else ""
    return f"{len(report.problems)} problems: {first}{more}. {looked}"
