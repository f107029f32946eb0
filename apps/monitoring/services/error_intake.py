"""Takes over what the processes of this machine noted of their errors (`aiwriter.core.crashes`) into the inbox."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from aiwriter.core import crashes
from apps.monitoring.models import ErrorDay, ErrorGroup, ErrorIntake, ErrorSample
from apps.monitoring.services.results import node_name

KEPT = dt.timedelta(days=90)
SAMPLES_KEPT = 25
# More kinds than a portal can have by itself: what comes beyond is counted together.
MAX_GROUPS = 2000
_FILES_AT_ONCE = 20
_TOO_MANY = {"kind": "Too many errors", "text": "Errors that came faster than each could be noted.", "place": ""}


def take_in() -> int:
    """Take over everything that was noted since the last time. Kill it anywhere: nothing counts twice, nothing is lost.

    Returns:
        how many errors there were.
    """
    folder = settings.DATA_DIR / "run" / "errors"
    if not folder.is_dir():
        return 0
    lock = os.open(folder / ".taking", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if any(folder.glob("*.jsonl")):
            crashes.hand_over(folder)
        return sum(_take_file(path) for path in crashes.handed_over(folder)[:_FILES_AT_ONCE])
    except BlockingIOError:
        return 0
    finally:
        os.close(lock)


def _take_file(path: Path) -> int:
    node, found = node_name(), 0
    with transaction.atomic():
        intake = ErrorIntake.objects.select_for_update().filter(node=node).first()
        # Files are named by their time: one that is not newer was taken over, and its taker killed before removing it.
        if intake is None or intake.last_file < path.name:
            found = store(list(crashes.read(path)))
            ErrorIntake.objects.update_or_create(node=node, defaults={"last_file": path.name})
    path.unlink(missing_ok=True)
    return found


def store(rows: Iterable[Mapping[str, Any]]) -> int:
    """Add noted errors to their groups.

    Args:
        rows: as `aiwriter.core.crashes` writes them.

    Returns:
        how many errors they stand for.
    """
    by_mark: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_mark[row["mark"][:64]].append(row)
    known = {group.mark: group for group in ErrorGroup.objects.filter(mark__in=by_mark)}
    room = MAX_GROUPS - ErrorGroup.objects.count() if set(by_mark) - set(known) else 0
    for mark in list(by_mark):
        whole = [row for row in by_mark[mark] if "kind" in row]
        if mark in known or mark == crashes.TOO_MANY:
            continue
        if room <= 0 or not whole:
            by_mark[crashes.TOO_MANY] += by_mark.pop(mark)
        room -= 1
    if crashes.TOO_MANY in by_mark and crashes.TOO_MANY not in known:
        known |= {group.mark: group for group in ErrorGroup.objects.filter(mark=crashes.TOO_MANY)}
    return sum(_add(known.get(mark), mark, each) for mark, each in by_mark.items())


def _add(group: ErrorGroup | None, mark: str, rows: list[Mapping[str, Any]]) -> int:
    newest, count = max(row["at"] for row in rows), sum(int(row.get("n", 1)) for row in rows)
    whole = [row for row in rows if "kind" in row] if mark != crashes.TOO_MANY else []
    last = whole[-1] if whole else {}
    if group is None:
        told = last or _TOO_MANY
        group = ErrorGroup(mark=mark, kind=told["kind"], text=told["text"], place=told["place"])
        group.first_seen_at = group.opened_at = _moment(min(row["at"] for row in rows))
        group.first_release = str(last.get("release", settings.VERSION))[:40]
    elif last:
        group.text = last["text"]
    if group.state == ErrorGroup.State.RESOLVED and _moment(newest) > (group.settled_at or group.last_seen_at):
        group.state, group.came_again, group.opened_at = ErrorGroup.State.OPEN, True, _moment(newest)
    group.count += count
    group.last_seen_at = _moment(newest) if group._state.adding else max(group.last_seen_at, _moment(newest))
    group.last_release = str(last.get("release", group.last_release or settings.VERSION))[:40]
    parts = {each for each in group.parts.split(", ") if each} | {str(row["part"]) for row in whole}
    group.parts = ", ".join(sorted(parts))[:200]
    group.save()
    for day, number in _by_day(rows).items():
        if not ErrorDay.objects.filter(group=group, day=day).update(count=F("count") + number):
            ErrorDay.objects.create(group=group, day=day, count=number)
    if whole:
        ErrorSample.objects.bulk_create([_sample(group, row) for row in whole[-SAMPLES_KEPT:]])
        kept = (
            ErrorSample.objects.filter(group=group).order_by("-at", "-id").values_list("pk", flat=True)[:SAMPLES_KEPT]
        )
        ErrorSample.objects.filter(group=group).exclude(pk__in=list(kept)).delete()
    return count


def _by_day(rows: Iterable[Mapping[str, Any]]) -> dict[dt.date, int]:
    found: dict[dt.date, int] = defaultdict(int)
    for row in rows:
        found[_moment(row["at"]).date()] += int(row.get("n", 1))
    return found


def _sample(group: ErrorGroup, row: Mapping[str, Any]) -> ErrorSample:
    return ErrorSample(
        group=group,
        at=_moment(row["at"]),
        text=str(row["text"])[:500],
        causes=row.get("causes", []),
        frames=row.get("frames", []),
        actor=str(row.get("actor_id", ""))[:80],
        workspace=str(row.get("workspace_id", ""))[:40],
        **{
            name: str(row.get(name, ""))[:most]
            for name, most in (
                ("logger", 100),
                ("part", 40),
                ("node", 120),
                ("release", 40),
                ("route", 200),
                ("request_id", 64),
                ("trace_id", 32),
            )
        },
    )


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(float(seconds), dt.UTC)


def prune_errors() -> int:
    """Remove what has not come for 90 days.

    Returns:
        how many groups.
    """
    border = timezone.now() - KEPT
    ErrorSample.objects.filter(at__lt=border).delete()
    ErrorDay.objects.filter(day__lt=border.date()).delete()
    old = ErrorGroup.objects.filter(last_seen_at__lt=border)
    gone = old.count()
    old.delete()
    return gone
