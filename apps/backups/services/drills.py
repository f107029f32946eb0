"""Restore drills: the newest set put into a scratch place, compared with its manifest, and used."""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, Unavailable
from apps.backups.models import BackupSet, Drill, Policy
from apps.backups.selectors.destinations import get_destination
from apps.backups.selectors.sets import get_set, newest_set
from apps.backups.services import capture_state, delegate_drills, jobs, moment_restore, moments, rekeying, restoring
from apps.backups.services.alerts import tell_operators
from apps.backups.services.backups import scratch_folder
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import open_repository, told
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

FAILED_DRILL = 14


def start_drill(
    *,
    actor: Actor,
    destination_id: uuid.UUID | str,
    set_id: uuid.UUID | str = "",
    moment: dt.datetime | None = None,
    policy: Policy | None = None,
    trigger: str = "person",
    wake: bool = True,
) -> Drill:
    """Ask for a drill.

    Args:
        actor: needs "backups.run".
        destination_id: whose sets; a copy may be drilled too.
        set_id: which set; the newest when left out.
        moment: rehearse a restore to this moment instead.
        policy: whose promise is looked at; the first of the place when left out.
        trigger: who wanted it.
        wake: let a worker do it; a command does it itself.

    Raises:
        Conflict: there is nothing to restore.
        Busy: a drill waits or runs already.
    """
    require(actor, "backups.run")
    place = get_destination(actor=actor, destination_id=destination_id)
    chosen = get_set(actor=actor, set_id=set_id) if set_id else newest_set(place.mirror_of or place)
    if moment is not None:
        chosen = get_set(actor=actor, set_id=moments.choose(open_repository(place), moment).base)
    if chosen is None:
        raise Conflict("There is no set that could be restored.", remedy="Make a backup first.")
    if not place.identity_ref:
        raise Conflict(
            "The key that opens these backups is not on this machine.",
            remedy="Drill with `manage.py drill --key FILE`, or on a machine that has the key.",
        )
    with transaction.atomic():
        if Drill.objects.filter(destination=place, state__in=("queued", "running")).exists():
            raise jobs.Busy("A drill is going on already.", remedy="Wait for it, or stop it.")
        drill = Drill.objects.create(
            destination=place,
            policy=policy or (place.mirror_of or place).policies.filter(enabled=True).first(),
            backup_set=chosen,
            set_name=chosen.name,
            moment=moment,
            trigger=trigger,
            requested_by=actor.user,
        )
        after = {"set": chosen.name, **({"moment": moment.isoformat()} if moment else {})}
        record(actor, "backup.drill_requested", obj=drill, after=after)
        if wake:
            jobs.wake(drill)
    return drill


def random_moment(policy: Policy) -> dt.datetime | None:
    """A moment that can be reached, for a drill of the schedule: every other drill, where changes are captured."""
    if not policy.pitr or policy.drills.filter(state="succeeded").count() % 2:
        return None
    found = moments.spans(open_repository(policy.destination))
    span = random.choice(found) if found else None  # noqa: S311  not a secret
    if span is None or span.until <= span.since:
        return None
    return moments.as_time(random.randint(span.since, span.until))  # noqa: S311


class _Clock:
    """Seconds of each phase."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = round(self.phases.get(name, 0.0) + time.monotonic() - begun, 3)


def run_drill(drill: Drill, progress: Progress) -> None:
    """Restore, compare, use, measure. The scratch place is gone afterwards, however it ends.

    Args:
        drill: claimed.
        progress: its row.

    Raises:
        Unavailable: the restore did not give what the set promises (exit code 14).
        AppError, RepositoryError: the set could not be restored at all.
    """
    if drill.destination is None:
        delegate_drills.run_drill(drill, progress)
        return
    clock = _Clock()
    begun = timezone.now()
    with scratch_folder(drill.pk) as scratch:
        with clock.phase("opening"):
            progress.phase("opening")
            repository = open_repository(drill.destination, reading=True)
            with told():
                reader = repository.reader(drill.set_name)
            extra = reader.info.extra
        data_dir = scratch / "data"
        data_dir.mkdir(mode=0o700)
        with clock.phase("keys"):
            restoring.restore_keys(reader, data_dir, replace=True)
        files: Any = reader
        with clock.phase("database"):
            name = f"drill_{drill.pk.hex[-8:]}"
            if drill.moment is not None:
                choice = moments.choose(repository, drill.moment, infos=[reader.info])
                made = moment_restore.restore_moment(repository, choice, reader, scratch, name, progress)
                target, files = made.target, moment_restore.files_of(repository, choice, reader)
            else:
                target = restoring.restore_database(reader, extra, scratch, name, progress)
        try:
            findings = _look(drill, files, extra, target, data_dir, clock, progress)
        finally:
            target.drop()
    _conclude(drill, findings, clock, begun, progress)


def _look(
    drill: Drill, reader: Any, extra: Any, target: Any, data_dir: Path, clock: _Clock, progress: Progress
) -> list[dict[str, Any]]:
    tables = extra["database"]["tables"]
    rows = sum(int(each["rows"]) for each in tables.values())
    if drill.moment is not None:
        # The base was compared before the changes were put over it; no manifest knows the state of the moment.
        text = f"the base is that of the manifest; with the changes until {drill.moment:%Y-%m-%d %H:%M:%S} it is whole"
        findings = [{"what": "State of a moment", "ok": True, "detail": text}]
    else:
        with clock.phase("comparing"):
            wrong = restoring.compare(target, extra, progress)
        text = "; ".join(wrong[:10]) or f"{len(tables)} tables with {rows:,} rows are those of the manifest"
        findings = [{"what": "Rows and digests of all tables", "ok": not wrong, "detail": text}]
    with clock.phase("files"):
        placed = restoring.restore_files(reader, target, data_dir, progress)
    expected = len(extra.get("missing", []))
    findings.append(
        {
            "what": "Files",
            "ok": placed.missing <= expected and not placed.damaged,
            "detail": f"{placed.count:,} contents read and compared, {placed.missing:,} missing, "
            f"{placed.damaged:,} damaged",
        }
    )
    with clock.phase("using"):
        progress.phase("using")
        used = restoring.in_child(target, data_dir, "probe")
    return [*findings, *used["findings"]]


def _conclude(
    drill: Drill, findings: list[dict[str, Any]], clock: _Clock, begun: dt.datetime, progress: Progress
) -> None:
    ok = all(each["ok"] for each in findings)
    # Comparing is the drill's own work; a real restore would not wait for it.
    rto = round(sum(seconds for name, seconds in clock.phases.items() if name != "comparing"), 3)
    row = drill.backup_set
    shown = drill.moment or (row.created_at if row else None)
    rpo = (begun - shown).total_seconds() if shown else None
    if drill.moment is not None:
        # A moment of the past says nothing about what a loss now would cost; how far the capture is does.
        state = capture_state.read_state()
        rpo = begun.timestamp() - state.shipped_until / 1000 if state and state.pending_since else 0.0
    Drill.objects.filter(pk=drill.pk).update(
        phases=clock.phases, findings=findings, rpo_seconds=rpo, rto_seconds=rto, exit_code=0 if ok else FAILED_DRILL
    )
    for each in findings:
        progress.say(f"{'ok' if each['ok'] else 'WRONG'}: {each['what']}: {each['detail']}")
    if not ok:
        wrong = next(each for each in findings if not each["ok"])
        if row is not None:
            BackupSet.objects.filter(pk=row.pk).update(
                state=BackupSet.State.SUSPICIOUS, problem=f"Its drill failed: {wrong['what']}: {wrong['detail']}"[:1000]
            )
        error = Unavailable(
            f"The drill failed: {wrong['what']}: {wrong['detail']}",
            remedy="Run a deep check and another drill. Do not count on this set.",
        )
        error.exit_code = FAILED_DRILL
        raise error
    progress.say(f"The portal would have served again after {rto:.1f} s.")
    if drill.destination is not None:
        rekeying.note_tested(drill.destination)
    if row is not None and drill.moment is None:
        now = timezone.now()
        BackupSet.objects.filter(pk=row.pk).update(drilled_at=now)
        BackupSet.objects.filter(pk=row.pk, state__in=("committed", "verified")).update(state=BackupSet.State.DRILLED)
    _promise(drill, rpo, rto)


def _promise(drill: Drill, rpo: float | None, rto: float) -> None:
    policy = drill.policy
    if policy is None:
        return
    broken = []
    if rpo is not None and rpo > policy.rpo_minutes * 60:
        broken.append(f"{rpo / 60:.0f} minutes of work would have been lost, {policy.rpo_minutes} were promised")
    if rto > policy.rto_minutes * 60:
        broken.append(f"it took {rto / 60:.0f} minutes, {policy.rto_minutes} were promised")
    if broken:
        tell_operators(
            "backup.promise_broken",
            "A restore drill worked, but not as promised.",
            f"{'; '.join(broken)}. Change the schedule, or the promise.".capitalize(),
            jobs.link_of(drill),
        )
