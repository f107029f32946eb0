"""Checks, clean-ups and copies of repositories."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, Unavailable
from apps.backups.models import BackupRun, BackupSet, Destination
from apps.backups.repository.copying import copy
from apps.backups.repository.errors import Damaged, DeleteRefused, RepositoryError, Stopped
from apps.backups.repository.pruning import prune
from apps.backups.repository.segments import drop_segments
from apps.backups.repository.verifying import Report, verify_cheap, verify_deep
from apps.backups.selectors.destinations import get_destination
from apps.backups.selectors.sets import get_set
from apps.backups.services import backups, catalogue, jobs, rekeying, retention
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import RepositoryProblem, control_of, note_size, open_repository, told
from apps.backups.services.stores import open_store
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

FAILED_CHECK = 14


def start_upkeep(
    *, actor: Actor, destination_id: uuid.UUID | str, action: str, trigger: str = "person", wake: bool = True
) -> BackupRun:
    """Ask for a check, a deep check, a clean-up or a copy.

    Args:
        actor: needs "backups.run".
        destination_id: where.
        action: "verify", "deep", "prune" or "copy".
        trigger: who wanted it.
        wake: let a worker do it; a command does it itself.

    Raises:
        InvalidInput: there is no such action.
        Conflict: it does not fit the place.
        Busy: the same waits or runs already.
    """
    require(actor, "backups.run")
    if action not in ("verify", "deep", "prune", "copy"):
        raise InvalidInput(f"'{action}' is no action.", field="action", remedy="Use verify, deep, prune or copy.")
    place = get_destination(actor=actor, destination_id=destination_id)
    if action == "copy" and not place.mirror_of_id:
        raise Conflict("This place is not a copy of another one.", remedy="Choose the copy.")
    if action == "prune" and place.mirror_of_id:
        raise Conflict("A copy follows the place that it is a copy of.", remedy="Clean that one up.")
    with transaction.atomic():
        if BackupRun.objects.filter(destination=place, action=action, state__in=("queued", "running")).exists():
            raise jobs.Busy("The same is going on already.", remedy="Wait for it, or stop it.")
        run = BackupRun.objects.create(
            action=action,
            destination=place,
            policy=place.policies.filter(enabled=True).first(),
            trigger=trigger,
            requested_by=actor.user,
        )
        record(actor, "backup.requested", obj=run, after={"action": action, "destination": place.name})
        if wake:
            jobs.wake(run)
    return run


def work(run: BackupRun, progress: Progress) -> None:
    """Do what a run is for."""
    actions = {
        BackupRun.Action.BACKUP: backups.run_backup,
        BackupRun.Action.VERIFY: run_verify,
        BackupRun.Action.DEEP: run_deep,
        BackupRun.Action.PRUNE: run_prune,
        BackupRun.Action.COPY: run_copy,
        BackupRun.Action.REENCRYPT: rekeying.run_reencrypt,
    }
    try:
        actions[BackupRun.Action(run.action)](run, progress)
    except Exception as error:
        Destination.objects.filter(pk=run.destination_id).update(
            last_problem=str(getattr(error, "message", "") or type(error).__name__)[:1000],
            last_remedy=str(getattr(error, "remedy", ""))[:1000],
        )
        raise
    Destination.objects.filter(pk=run.destination_id).exclude(last_problem="").update(last_problem="", last_remedy="")


def run_verify(run: BackupRun, progress: Progress) -> None:
    """Every object is there, and its bytes are what was written: no key is needed.

    Raises:
        Unavailable: something is damaged (exit code 14).
    """
    repository = open_repository(run.destination)
    progress.phase("checking")
    with told():
        report = verify_cheap(repository, share=1.0, control=control_of(progress))
    _conclude(run, report, progress, deep=False)


def run_deep(run: BackupRun, progress: Progress) -> None:
    """Every content is decrypted and compared with its name; this needs a key.

    Raises:
        Unavailable: something is damaged (exit code 14).
    """
    repository = open_repository(run.destination, reading=True)
    progress.phase("reading")
    with told():
        report = verify_deep(repository, share=1.0, control=control_of(progress))
    if report.ok:
        rekeying.note_tested(run.destination)
    _conclude(run, report, progress, deep=True)


def _conclude(run: BackupRun, report: Report, progress: Progress, *, deep: bool) -> None:
    owner = run.destination.mirror_of or run.destination
    summary = catalogue.words_of(report)
    damaged = sorted(report.broken_sets)
    if run.destination.mirror_of_id is None:
        catalogue.synchronise(owner, open_repository(owner))
        catalogue.note_check(owner, report, deep=deep)
    progress.say(summary)
    BackupRun.objects.filter(pk=run.pk).update(result={"summary": summary, "damaged_sets": damaged})
    if not report.ok:
        error = Unavailable(
            f"The check found damage: {summary}",
            remedy="Run a backup: what the portal still has is stored again. Then check once more.",
        )
        error.exit_code = FAILED_CHECK
        raise error


def run_prune(run: BackupRun, progress: Progress) -> None:
    """Apply the policy's retention now.

    Raises:
        Conflict: the place has no policy.
    """
    if run.policy is None:
        raise Conflict("This place has no policy that says what is kept.", remedy="Make one.")
    repository = open_repository(run.destination)
    catalogue.synchronise(run.destination, repository)
    done = retention.apply(run.policy, repository, control_of(progress), progress)
    note_size(run.destination, repository)
    result = {"removed": done.sets} | ({"refused": done.refused} if done.refused else {})
    BackupRun.objects.filter(pk=run.pk).update(result=result, exit_code=backups.INCOMPLETE if done.refused else 0)


def run_copy(run: BackupRun, progress: Progress) -> None:
    """Bring a copy up to date: objects that it lacks are sent, and then it is compared by its own bytes.

    Raises:
        Conflict: it is not a copy.
    """
    source = run.destination.mirror_of
    if source is None:
        raise Conflict("This place is not a copy of another one.", remedy="Choose the copy.")
    repository = open_repository(source)
    progress.phase("copying")
    with told():
        report = copy(repository, open_store(run.destination), control=control_of(progress))
    summary = (
        f"{report.objects:,} objects sent, {report.bytes / 2**20:,.1f} MiB; {report.skipped:,} were there already."
    )
    progress.say(summary)
    # The copy is opened for itself: that it has the objects is not believed of the sender.
    mirror = open_repository(run.destination)
    with told():
        check = verify_cheap(mirror, share=0.1, control=control_of(progress))
    there = {str(info.id) for info in mirror.sets()}
    rows = BackupSet.objects.filter(destination=source).order_by("-created_at")
    wanted = set(rows.values_list("name", flat=True))
    if wanted and check.ok and not retention.frozen(source, rows):
        # What the source's retention let go goes here too, two days later; never while the source is in doubt.
        policy = source.policies.filter(enabled=True).first()
        try:
            pruned = prune(mirror, drop=sorted(there - wanted), control=control_of(progress))
            refused = pruned.refused
            if policy and not refused:
                drop_segments(mirror, retention.needed_segments(policy, repository), control_of(progress))
        except DeleteRefused as error:
            refused = error.message
        except Stopped:
            raise
        except RepositoryError as error:
            raise RepositoryProblem(error) from error
        if refused:
            progress.say(f"The copy lets nothing be removed: {refused} {DeleteRefused.remedy}")
    note_size(run.destination, mirror)
    Destination.objects.filter(pk=run.destination_id).update(
        compared_at=timezone.now(),
        missing_objects=len(wanted - there) + len(check.broken_sets),
        last_used_at=timezone.now(),
        last_problem="" if check.ok else catalogue.words_of(check),
    )
    BackupRun.objects.filter(pk=run.pk).update(result={"summary": summary, "sets": len(there)})
    if not check.ok or not report.ok:
        raise RepositoryProblem(Damaged(f"The copy is damaged: {catalogue.words_of(check)}"))


def pin_set(*, actor: Actor, set_id: uuid.UUID | str, pin: str) -> BackupSet:
    """Keep a set until somebody takes the pin away; an empty name takes it away.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to pin.
    """
    require(actor, "backups.run")
    row = get_set(actor=actor, set_id=set_id)
    before = row.pin
    row.pin = " ".join(pin.split())[:80]
    with transaction.atomic():
        row.save(update_fields=["pin"])
        record(actor, "backup.pinned", obj=row, before={"pin": before}, after={"pin": row.pin})
    return row


def accept_set(*, actor: Actor, set_id: uuid.UUID | str) -> BackupSet:
    """Say of a suspicious set that it is right: the portal really has so much less now.

    Raises:
        Conflict: the set is not suspicious.
    """
    require(actor, "backups.run")
    row = get_set(actor=actor, set_id=set_id)
    if row.state != BackupSet.State.SUSPICIOUS:
        raise Conflict("The set is not suspicious.", remedy="Nothing is to be done.")
    row.state = BackupSet.State.INCOMPLETE if row.missing else BackupSet.State.COMMITTED
    if row.verified_at and not row.missing:
        row.state = BackupSet.State.VERIFIED
    row.problem = ""
    with transaction.atomic():
        row.save(update_fields=["state", "problem"])
        record(actor, "backup.pinned", obj=row, reason="accepted", after={"state": row.state})
    return row
