"""Runs, drills and restores as jobs: asked for, carried out by a child process, stopped, taken up again."""

from __future__ import annotations

import datetime as dt
import logging
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from aiwriter import env
from aiwriter.core import secretrefs
from aiwriter.core.errors import AppError, Conflict
from aiwriter.core.queue import enqueue
from apps.backups.models import BackupRun, Drill, RecoveryJob, Restore, StagingCopy
from apps.backups.repository.errors import RepositoryError, Stopped
from apps.backups.services.alerts import tell_operators
from apps.backups.services.progress import LEASE, LostJob, Progress, StopRequested
from apps.backups.services.repositories import RepositoryProblem
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

logger = logging.getLogger(__name__)

KINDS: dict[str, Any] = {"run": BackupRun, "drill": Drill, "restore": Restore, "staging": StagingCopy}
MAX_ATTEMPTS = 5
BUSY = 11
_children: list[subprocess.Popen[bytes]] = []


class Busy(Conflict):
    """Something else works on that repository."""

    exit_code = BUSY


def kind_of(job: RecoveryJob) -> str:
    """The short name of a job's table."""
    return next(name for name, model in KINDS.items() if isinstance(job, model))


def wake(job: RecoveryJob) -> None:
    """Let a worker take the job up, after the commit."""
    enqueue("backups.work", kind=kind_of(job), job_id=str(job.pk))


def carry_out(
    job: RecoveryJob,
    work: Callable[[Any, Progress], None],
    *,
    detached: bool = False,
    echo: Callable[[str], None] | None = None,
) -> RecoveryJob:
    """Claim a job, do its work, and write down how it ended. Never raises for what the work met.

    Args:
        job: the row.
        work: gets the claimed row and its progress. It stores its own results; a plain return is success.
        detached: this process is a child of a worker: it keeps a heartbeat, and ends with the worker.
        echo: gets every log line too.

    Raises:
        Busy: something else works on the same repository.
        Conflict: the job is not there to be taken.
    """
    model: Any = type(job)
    try:
        with transaction.atomic():
            fence = model.objects.claim(job.pk, lease=LEASE, to_state="running")
    except IntegrityError:
        raise Busy("Something else works on this repository.", remedy="Wait for it, or stop it.") from None
    if fence is None:
        raise Conflict("This job is done already, or somebody else is at it.", remedy="Nothing is to be done.")
    row = model.objects.get(pk=job.pk)
    if row.started_at is None:
        model.objects.filter(pk=row.pk).update(started_at=timezone.now())
    progress = Progress(row, fence, echo=echo)
    if detached:
        progress.stop_with_parent()
        progress.beating()
    try:
        fields = _outcome(row, progress, work)
    finally:
        progress.close()
    if fields is not None:
        _finish(row, fence, fields)
    model_row: RecoveryJob = model.objects.get(pk=row.pk)
    return model_row


def _outcome(row: RecoveryJob, progress: Progress, work: Callable[[Any, Progress], None]) -> dict[str, Any] | None:
    """Do the work; the columns that say how it ended, or None when the row is somebody else's now."""
    try:
        if row.attempts > MAX_ATTEMPTS:
            raise Conflict(
                f"It has ended its process {MAX_ATTEMPTS} times.", remedy="See the worker's log, then start it anew."
            )
        work(row, progress)
    except LostJob:
        return None
    except StopRequested as stop:
        if type(row).objects.filter(pk=row.pk, stop_requested_at__isnull=False).exists():  # type: ignore[attr-defined]
            return {"state": "stopped", "error": stop.message, "remedy": stop.remedy, "exit_code": 3}
        # The worker went away: the next one goes on, and what is stored already is not stored again.
        return {"state": "queued", "phase": "", "started_at": None, "attempts": max(0, row.attempts - 1)}
    except Stopped as stop:
        return {"state": "stopped", "error": "It was stopped.", "remedy": stop.remedy, "exit_code": 3}
    except (AppError, RepositoryError) as problem:
        told = problem if isinstance(problem, AppError) else RepositoryProblem(problem)
        progress.say(f"Failed: {told.message}")
        return {"state": "failed", "error": told.message, "remedy": told.remedy, "exit_code": told.exit_code}
    except Exception as error:
        logger.exception("%s %s failed", type(row).__name__, row.pk)
        message = f"It failed: {type(error).__name__}."
        return {"state": "failed", "error": message, "remedy": "See the worker's log.", "exit_code": 1}
    return {"state": "succeeded", "error": "", "remedy": ""}


def _finish(row: RecoveryJob, fence: int, fields: dict[str, Any]) -> None:
    model: Any = type(row)
    final = fields["state"] != "queued"
    if final:
        fields |= {"finished_at": timezone.now()}
        present = model.objects.filter(pk=row.pk).values_list("exit_code", flat=True).first()
        # 3 says "done, but incomplete": the work has noted it itself.
        fields.setdefault("exit_code", present or 0)
    changed = model.objects.held(row.pk, fence=fence).update(lease_until=None, **fields)
    if changed and final:
        forget_key(row)
    if changed and fields["state"] == "failed":
        tell_operators(
            "backup.failed",
            f"{row._meta.verbose_name.capitalize()} failed."  # type: ignore[union-attr]
            if not isinstance(row, BackupRun)
            else f"{row.get_action_display()} failed.",
            f"{fields['error']} {fields['remedy']}".strip(),
            link_of(row),
        )


def forget_key(job: RecoveryJob) -> None:
    """Forget what a person gave for one restore or copy. Until it has ended, whoever takes it up needs it."""
    for name in ("identity_ref", "database_ref"):
        reference = getattr(job, name, "")
        if reference:
            type(job).objects.filter(pk=job.pk).update(**{name: ""})  # type: ignore[attr-defined]
            secretrefs.forget(reference)


def link_of(job: RecoveryJob) -> str:
    """The console page of a job."""
    return f"/admin/backups/{job._meta.model_name}/{job.pk}/change/"


def request_stop(*, actor: Actor, job: RecoveryJob) -> None:
    """Ask a job to end at its next step; one that waits does not begin.

    Raises:
        PermissionDenied: the actor may not.
        Conflict: it has ended, or must not be interrupted any more.
    """
    require(actor, "backups.run")
    model: Any = type(job)
    if isinstance(job, Restore) and job.phase == "switch":
        raise Conflict("It is switching at this moment.", remedy="Wait; it can be undone afterwards.")
    with transaction.atomic():
        waiting = model.objects.filter(pk=job.pk, state__in=("queued", "planned")).update(
            state="stopped", stop_requested_at=timezone.now(), finished_at=timezone.now(), exit_code=3
        )
        if not waiting and not model.objects.filter(pk=job.pk, state="running").update(
            stop_requested_at=timezone.now()
        ):
            raise Conflict("It has ended already.", remedy="Nothing is to be done.")
        record(actor, "backup.stopped", obj=job)
    if waiting:
        forget_key(job)


def spawn(kind: str, job_id: uuid.UUID) -> bool:
    """Start a child process for a waiting job. The task that calls this returns at once.

    A backup may take longer than a message stays invisible or a task may run; a child has no such limit, and its
    memory goes with it.

    Returns:
        whether a child was started; not when the row is taken or this process has one for it.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    model: Any = KINDS[kind]
    if not model.objects.claimable().filter(pk=job_id).exists():
        return False
    if any(str(job_id) in map(str, child.args if isinstance(child.args, list) else ()) for child in _children):
        return False
    folder = settings.DATA_DIR / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "backups.log").open("ab") as log:
        _children.append(
            subprocess.Popen(
                [sys.executable, "manage.py", "backup_job", kind, str(job_id)],
                cwd=env.BASE_DIR,
                env={**env.process_environment(), "DJANGO_SETTINGS_MODULE": str(settings.SETTINGS_MODULE)},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
    return True


def sweep() -> int:
    """Give rows whose lease ran out back to the queue, and wake what waits. Returns how many were woken."""
    now = timezone.now()
    woken = 0
    for kind, model in KINDS.items():
        lost = model.objects.filter(state="running").filter(Q(lease_until__lt=now) | Q(lease_until=None))
        lost.update(state="queued", lease_until=None)
        busy = set()
        if model is BackupRun:
            busy = set(model.objects.filter(state="running").values_list("destination_id", flat=True))
        waiting = model.objects.filter(state="queued", queued_at__lte=now - dt.timedelta(seconds=5)).order_by(
            "queued_at"
        )
        for job_id, destination_id in waiting.values_list("pk", "destination_id"):
            if destination_id not in busy:
                busy.add(destination_id)
                enqueue("backups.work", kind=kind, job_id=str(job_id))
                woken += 1
    return woken
