"""A backup: one consistent set of database, files and configuration, checked before it counts."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict
from aiwriter.core.priority import spare_time
from apps.backups.models import BackupRun, BackupSet, Destination, Policy
from apps.backups.repository.verifying import verify_cheap
from apps.backups.selectors.destinations import get_destination
from apps.backups.services import catalogue, jobs, retention
from apps.backups.services.alerts import tell_operators
from apps.backups.services.hooks import call_hook
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import control_of, note_size, open_repository, told, work_folder
from apps.backups.services.snapshots import snapshot
from apps.backups.services.sources import Collecting, collect
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

# A set with so much less than the one before is looked at by a person before anything is deleted.
SHRUNK = 0.7
INCOMPLETE = 3
# Seconds. Less than that nobody sees in a list of moments.
CLOCKS_DIFFER = 60.0
KEPT_RUNS = dt.timedelta(days=90)


def start_backup(
    *,
    actor: Actor,
    destination_id: uuid.UUID | str,
    policy: Policy | None = None,
    pin: str = "",
    trigger: str = "person",
    wake: bool = True,
) -> BackupRun:
    """Ask for a backup.

    Args:
        actor: needs "backups.run".
        destination_id: where it goes.
        policy: whose limits and retention hold; the first of the place when left out.
        pin: the set is kept under this name until somebody takes the pin away.
        trigger: who wanted it.
        wake: let a worker do it; a command does it itself.

    Raises:
        NotFound, PermissionDenied: the place is not the actor's to use.
        Busy: a backup to this place waits or runs already.
        Conflict: the place is a copy of another one, or is not in use.
    """
    require(actor, "backups.run")
    place = get_destination(actor=actor, destination_id=destination_id)
    if place.mirror_of_id:
        raise Conflict("This place is a copy of another one.", remedy="Back up to that one; the copy follows.")
    if not place.enabled:
        raise Conflict(f"'{place.name}' is switched off.", remedy="Switch it on first.")
    with transaction.atomic():
        if BackupRun.objects.filter(destination=place, action="backup", state__in=("queued", "running")).exists():
            raise jobs.Busy("A backup to this place runs already.", remedy="Wait for it, or stop it.")
        run = BackupRun.objects.create(
            action=BackupRun.Action.BACKUP,
            destination=place,
            policy=policy or place.policies.filter(enabled=True).first(),
            pin=" ".join(pin.split())[:80],
            trigger=trigger,
            requested_by=actor.user,
        )
        record(actor, "backup.requested", obj=run, after={"action": "backup", "destination": place.name})
        if wake:
            jobs.wake(run)
    return run


def run_backup(run: BackupRun, progress: Progress) -> None:
    """Make a set: snapshot, sources, commit, check without a key, retention, copies.

    Args:
        run: claimed.
        progress: its row.

    Raises:
        AppError, RepositoryError: nothing counts as a backup; what was stored is used by the next run.
    """
    try:
        call_hook("before", run, progress)
        # Not with SQLite: who waits for a processor there may hold the lock that all writers wait for.
        with spare_time() if connection.vendor == "postgresql" else contextlib.nullcontext():
            row = _make_set(run, progress)
    except BaseException as error:
        call_hook("failed", run, progress, error=str(error))
        raise
    call_hook("after", run, progress, set=row.name, state=row.state, bytes_added=row.bytes_added)


def _make_set(run: BackupRun, progress: Progress) -> BackupSet:
    destination = run.destination
    progress.phase("opening")
    repository = open_repository(destination)
    begun = timezone.now()
    with scratch_folder(run.pk) as scratch, snapshot(scratch) as state:
        taken = timezone.now()
        _compare_clocks(getattr(state, "clock_ahead", 0.0), progress)
        labels = {"run": str(run.pk), "host": socket.gethostname(), "portal": settings.VERSION, "trigger": run.trigger}
        control = control_of(progress, policy=run.policy)
        # Left without a commit, the set does not exist; what was stored is found by the next run.
        with told(), repository.begin(kind="full", labels=labels, control=control) as writer:
            collecting = Collecting(writer=writer, snapshot=state, progress=progress, scratch=scratch)
            collect(collecting)
            progress.phase("committing")
            info = writer.commit(_manifest(collecting, begun=begun, taken=taken))
    row = catalogue.remember(destination, info, run=run)
    progress.say(f"Set {row.name} is written: {_size(row.bytes_added)} new of {_size(row.bytes_source)}.")
    _judge(row, progress)
    _check(repository, run, row, progress)
    if run.pin:
        BackupSet.objects.filter(pk=row.pk).update(pin=run.pin)
    BackupRun.objects.filter(pk=run.pk).update(
        result={"set": row.name, "state": row.state, "bytes_added": row.bytes_added, "missing": len(row.missing)},
        exit_code=INCOMPLETE if row.state == BackupSet.State.INCOMPLETE else 0,
    )
    Destination.objects.filter(pk=destination.pk).update(last_used_at=timezone.now())
    if run.policy and row.state == BackupSet.State.VERIFIED:
        retention.apply(run.policy, repository, control, progress)
    note_size(destination, repository)
    for mirror in destination.mirrors.filter(enabled=True):
        _start_copy(mirror)
    return row


def _manifest(collecting: Collecting, *, begun: dt.datetime, taken: dt.datetime) -> dict[str, Any]:
    return {
        "format": 1,
        "portal": settings.VERSION,
        "begun": begun.isoformat(),
        "snapshot_at": taken.isoformat(),
        "missing": collecting.missing,
        "capture": collecting.snapshot.capture,
        **collecting.facts,
    }


def _compare_clocks(ahead: float, progress: Progress) -> None:
    """Tell when the database's server and this machine do not agree on the time. The set is whole all the same."""
    if abs(ahead) <= CLOCKS_DIFFER:
        return
    words = f"The clock of the database's server is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's."
    progress.say(words)
    tell_operators(
        "backup.clock",
        words,
        "Set both clocks (timedatectl): moments to restore are told by one of them, and sets by the other.",
    )


def _judge(row: BackupSet, progress: Progress) -> None:
    """Compare with the set before. One that has shrunk is kept, told of, and stops all deleting."""
    state, problem = row.state, ""
    if row.missing:
        state, problem = BackupSet.State.INCOMPLETE, f"{len(row.missing)} files could not be read."
    before = (
        BackupSet.objects.filter(destination=row.destination, created_at__lt=row.created_at)
        .exclude(state__in=(BackupSet.State.SUSPICIOUS, BackupSet.State.DAMAGED))
        .order_by("-created_at")
        .first()
    )
    if before is not None:
        for what, old, new in (("rows", before.rows, row.rows), ("files", before.files, row.files)):
            if old >= 100 and new < old * SHRUNK:
                state, problem = BackupSet.State.SUSPICIOUS, f"It has {new:,} {what}, the set before had {old:,}."
    if problem:
        row.state, row.problem = state, problem
        row.save(update_fields=["state", "problem"])
        progress.say(problem)
        remedy = {
            BackupSet.State.INCOMPLETE: "Find the damaged files in the console and put them in again.",
            BackupSet.State.SUSPICIOUS: "Nothing is deleted until you have looked: say in the console that it is right.",
        }[BackupSet.State(state)]
        tell_operators(
            "backup.suspicious", f"The backup set {row} is {row.get_state_display().lower()}.", f"{problem} {remedy}"
        )


def _check(repository: Any, run: BackupRun, row: BackupSet, progress: Progress) -> None:
    """The cheap check of every run: each object that a set needs is there, and a share of the bytes is what was written."""
    progress.phase("checking")
    share = (run.policy.verify_percent if run.policy else 15) / 100
    with told():
        report = verify_cheap(repository, share=share, control=control_of(progress))
    catalogue.note_check(run.destination, report, newest=row)
    row.refresh_from_db()
    progress.say(f"Check: {catalogue.words_of(report)}")


def _start_copy(mirror: Destination) -> None:
    if not BackupRun.objects.filter(destination=mirror, action="copy", state__in=("queued", "running")).exists():
        with transaction.atomic():
            run = BackupRun.objects.create(
                action=BackupRun.Action.COPY, destination=mirror, trigger=BackupRun.Trigger.SCHEDULE
            )
            jobs.wake(run)


@contextlib.contextmanager
def scratch_folder(key: uuid.UUID) -> Iterator[Path]:
    """A private folder that goes away at the end; one that a killed process left behind is emptied first."""
    parent = work_folder() / "scratch"
    parent.mkdir(exist_ok=True, mode=0o700)
    shutil.rmtree(parent / str(key), ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f"{key}-") as folder:
        yield Path(folder)


def clear_scratch(age: dt.timedelta = dt.timedelta(days=1)) -> int:
    """Remove what killed processes left behind. Returns how many folders went."""
    parent = work_folder() / "scratch"
    border = (timezone.now() - age).timestamp()
    gone = 0
    # An hourly schedule leaves 24 rows a day; what was made is told by the sets, what failed is kept.
    BackupRun.objects.filter(state="succeeded", created_at__lt=timezone.now() - KEPT_RUNS).delete()
    for path in parent.iterdir() if parent.is_dir() else ():
        if path.stat().st_mtime < border:
            shutil.rmtree(path, ignore_errors=True)
            gone += 1
    return gone


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024  # type: ignore[assignment]
    return ""
