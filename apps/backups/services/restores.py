"""Restores: what will be lost and what is needed is said first; nothing moves before a person has agreed."""

from __future__ import annotations

import datetime as dt
import shutil
import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import AppError, Conflict, InvalidInput
from apps.backups.models import BackupRun, BackupSet, Restore
from apps.backups.repository.errors import RepositoryError
from apps.backups.repository.repository import Repository
from apps.backups.selectors.destinations import captured_destination, get_destination
from apps.backups.selectors.sets import get_restore, get_set
from apps.backups.services import (
    approvals,
    backups,
    capture_state,
    items,
    jobs,
    moment_restore,
    moments,
    pauses,
    restoring,
    switching,
    upkeep,
)
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import open_repository, told, work_folder
from apps.users.models import AuditEvent
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services.audit import record

_CLOSED = "A backup is being restored."
CONFIRM = {"system": "restore everything", "database": "restore the database"}


def plan_restore(
    *,
    actor: Actor,
    scope: str,
    set_id: uuid.UUID | str | None = "",
    moment: dt.datetime | None = None,
    destination_id: uuid.UUID | str | None = None,
    subject: str = "",
    identity: str = "",
    trigger: str = "person",
) -> Restore:
    """Say what a restore would do. Nothing is changed, and the plan holds until it is carried out or thrown away.

    Args:
        actor: needs "backups.restore".
        scope: "system", "database", "workspace", "copy", "document" or "file".
        set_id: which set; left out with a moment.
        moment: bring back the state of this moment; the newest base before it is used.
        destination_id: with a moment: from which place; the first when left out.
        subject: of a workspace, a document or a file: its id.
        identity: the key, when it is not on this machine; it is forgotten when the restore has ended.
        trigger: who wanted it.

    Returns:
        the restore with its `plan`: facts, warnings, and problems that stand against it.

    Raises:
        NotFound, PermissionDenied: the set is not the actor's to restore.
        InvalidInput: the scope or the id cannot be used.
        AppError: the set cannot be opened: wrong key, place away.
    """
    require(actor, "backups.restore")
    if scope not in Restore.Scope.values:
        raise InvalidInput(
            f"'{scope[:20]}' is no scope.", field="scope", remedy=f"Use {', '.join(Restore.Scope.values)}."
        )
    if scope in settings.BACKUP_ITEMS:
        subject = str(items.as_key(subject))
        if moment is not None:
            raise InvalidInput(
                "A moment can be restored for the database or for everything.",
                field="moment",
                remedy="Restore a document from the set before or after it: it keeps all its versions.",
            )
    chosen, choice, repository = _chosen(actor, set_id, moment, destination_id, identity)
    with told():
        extra = repository.reader(chosen.name).info.extra
    plan = _plan(chosen, extra, scope, choice)
    with transaction.atomic():
        restore = Restore.objects.create(
            scope=scope,
            subject=subject if scope in settings.BACKUP_ITEMS else "",
            destination=chosen.destination,
            backup_set=chosen,
            set_name=chosen.name,
            moment=moment,
            plan=plan,
            identity_ref=secretrefs.store("restore-identity", identity.strip()) if identity.strip() else "",
            trigger=trigger,
            requested_by=actor.user,
        )
        after = {"scope": scope, "set": chosen.name, **({"moment": moment.isoformat()} if moment else {})}
        record(actor, "backup.restore_planned", obj=restore, after=after)
    return restore


def _chosen(
    actor: Actor,
    set_id: uuid.UUID | str | None,
    moment: dt.datetime | None,
    destination_id: uuid.UUID | str | None,
    identity: str,
) -> tuple[BackupSet, moments.Choice | None, Repository]:
    """The set that a restore begins with; for a moment the newest base from which it can be reached."""
    if moment is None:
        if not set_id:
            raise InvalidInput("Which set?", field="set_id", remedy="Name a set, or a moment.")
        chosen = get_set(actor=actor, set_id=set_id)
        return chosen, None, open_repository(chosen.destination, identity=identity.strip(), reading=True)
    if set_id:
        raise InvalidInput("Name a set or a moment, not both.", field="moment", remedy="Leave the set out.")
    place = (
        get_destination(actor=actor, destination_id=destination_id)
        if destination_id
        else captured_destination(actor=actor)
    )
    repository = open_repository(place, identity=identity.strip(), reading=True)
    capture_state.settle()
    with told():
        usable = set(
            BackupSet.objects.filter(destination=place.mirror_of or place).restorable().values_list("name", flat=True)
        )
        infos = [info for info in repository.sets() if info.id in usable]
    choice = moments.choose(repository, moment, infos=infos)
    return get_set(actor=actor, set_id=choice.base), choice, repository


def _plan(chosen: BackupSet, extra: Any, scope: str, choice: moments.Choice | None = None) -> dict[str, Any]:
    now = timezone.now()
    size = int(extra["database"].get("bytes", 0))
    files = extra.get("files", {})
    problems: list[str] = []
    warnings: list[str] = []
    try:
        restoring.refuse_other_engine(extra)
    except Conflict as error:
        problems.append(str(error))
    ahead = _unknown_migrations(extra["database"].get("heads", {}))
    if ahead:
        problems.append(
            f"The set comes from a newer version of the portal ({extra.get('portal', '?')}): {', '.join(ahead[:3])} is "
            "not known here. Update the portal first."
        )
    free = shutil.disk_usage(work_folder()).free
    # The restored copy, the copy of the present, and the database itself while it is exchanged.
    needed = round(size * (3.2 if scope in ("system", "database") else 1.2))
    if free < needed:
        problems.append(f"{needed / 2**20:,.0f} MiB are needed in {work_folder()}, {free / 2**20:,.0f} are free.")
    if chosen.state in (BackupSet.State.SUSPICIOUS, BackupSet.State.DAMAGED, BackupSet.State.INCOMPLETE):
        warnings.append(f"The set is {chosen.get_state_display().lower()}: {chosen.problem}")
    elif chosen.state != BackupSet.State.DRILLED:
        warnings.append("No restore of this set has been shown yet.")
    plan: dict[str, Any] = {
        "set": chosen.name,
        "snapshot_at": chosen.created_at.isoformat(),
        "portal": extra.get("portal", ""),
        "database_bytes": size,
        "rows": chosen.rows,
        "files": files.get("count", 0),
        "file_bytes": files.get("bytes", 0),
        "needed_bytes": needed,
        "free_bytes": free,
        "seconds": _estimate(size, files.get("bytes", 0) if scope == "system" else 0),
        "problems": problems,
        "warnings": warnings,
        "confirm": CONFIRM.get(scope, ""),
        "approval": scope in approvals.SCOPES and approvals.wanted(),
    }
    if choice is not None:
        plan |= {
            "moment": moments.as_time(choice.target).isoformat(),
            "segments": len(choice.segments),
            "line": choice.line.id,
        }
    if scope in ("system", "database"):
        state_of = moments.as_time(choice.target) if choice else chosen.created_at
        events = AuditEvent.objects.filter(occurred_at__gt=state_of)
        plan["lost_seconds"] = round((now - state_of).total_seconds())
        plan["lost_acts"] = events.count()
        warnings.append(
            "Work since then is lost, except that the audit record of it is kept. What was waiting at that time to be "
            "published or sent is held back afterwards: look at it under Maintenance."
        )
        plan["steps"] = [
            "The set is put into a new place and compared with its manifest",
            *([f"{len(choice.segments)} segments of captured changes are put over it"] if choice else []),
            "The portal is closed for maintenance, and a backup of the present is made and pinned",
            "The databases are exchanged; the present one is kept for 72 hours, so that it can be undone",
            "Files that are missing are put back" if scope == "system" else "Files stay as they are",
            "The vector indexes are made again, and the portal is opened",
            "What waited at that time to be published or sent is held back until an operator lets it go",
        ]
    else:
        plan["steps"] = ["The set's database is opened beside the present one", "What is missing is put back"]
    return plan


def _estimate(database: int, files: int) -> int:
    """Seconds, from what was measured on two shared cores: 100 MB/s for databases, 60 MB/s for files."""
    return round(5 + database * 3 / 100e6 + files / 60e6)


def _unknown_migrations(heads: dict[str, str]) -> list[str]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = set(loader.disk_migrations)
    return sorted(
        f"{app}.{name}" for app, name in heads.items() if app in loader.migrated_apps and (app, name) not in known
    )


def start_restore(*, actor: Actor, restore_id: uuid.UUID | str, confirm: str = "", wake: bool = True) -> Restore:
    """Carry a plan out.

    Args:
        actor: needs "backups.restore".
        restore_id: of the plan.
        confirm: the words that the plan asks for, typed by a person.
        wake: let a worker do it; a command does it itself.

    Raises:
        Conflict: problems stand against it, or it was started already.
        InvalidInput: the words are not those of the plan.
    """
    require(actor, "backups.restore")
    require_proof(actor)
    restore = get_restore(actor=actor, restore_id=restore_id)
    if restore.state != Restore.State.PLANNED:
        raise Conflict("This restore was started already.", remedy="Plan another one.")
    if restore.plan.get("problems"):
        raise Conflict(restore.plan["problems"][0], remedy="Mend this, then plan the restore again.")
    approvals.require_approval(actor, restore)
    wanted = restore.plan.get("confirm", "")
    if wanted and " ".join(confirm.lower().split()) != wanted:
        raise InvalidInput("The words do not match.", field="confirm", remedy=f"Type: {wanted}")
    with transaction.atomic():
        if Restore.objects.filter(state__in=("queued", "running")).exists():
            raise jobs.Busy("Another restore is going on.", remedy="Wait for it, or stop it.")
        started = Restore.objects.filter(pk=restore.pk, state=Restore.State.PLANNED).update(
            state=Restore.State.QUEUED, queued_at=timezone.now()
        )
        if not started:
            raise Conflict("Somebody else has just started it.", remedy="Look at its page.")
        record(actor, "backup.restore_requested", obj=restore, after={"scope": restore.scope, "set": restore.set_name})
        if wake:
            jobs.wake(restore)
    restore.refresh_from_db()
    return restore


def run_restore(restore: Restore, progress: Progress) -> None:
    """Do what the plan says.

    Args:
        restore: claimed.
        progress: its row.

    Raises:
        AppError, RepositoryError: it did not work; until the exchange nothing of the portal was changed.
    """
    identity = secretrefs.resolve(restore.identity_ref).reveal() if restore.identity_ref else ""
    progress.phase("opening")
    repository = open_repository(restore.destination, identity=identity, reading=True)
    with told():
        reader = repository.reader(restore.set_name)
    if restore.scope in settings.BACKUP_ITEMS:
        found = items.bring_back(restore, reader, progress)
        Restore.objects.filter(pk=restore.pk).update(result=found)
    else:
        _whole(restore, repository, reader, progress)


def _whole(restore: Restore, repository: Repository, reader: Any, progress: Progress) -> None:
    """The database, and of everything also keys and files."""
    extra = reader.info.extra
    folder = switching.place_of(restore)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"restore_{restore.pk.hex[-8:]}"
    files, result = reader, {}
    if restore.moment is not None:
        choice = moments.choose(repository, restore.moment, infos=[reader.info])
        made = moment_restore.restore_moment(repository, choice, reader, folder, name, progress)
        target, files = made.target, moment_restore.files_of(repository, choice, reader)
        result = {"reached": made.reached, "restore_seconds": round(made.seconds, 3)}
    else:
        target = restoring.restore_database(reader, extra, folder, name, progress)
    try:
        if restore.moment is None:
            restoring.require_same(target, extra, progress)
            progress.say("The restored database is what the manifest says.")
        data_dir = folder / "data"
        data_dir.mkdir(exist_ok=True, mode=0o700)
        restoring.restore_keys(reader, data_dir, replace=True)
        progress.phase("migrating")
        restoring.in_child(target, data_dir, "migrate")
        shutil.rmtree(data_dir, ignore_errors=True)
        pauses.begin_maintenance(actor=Actor.system_actor("restore"), message=_CLOSED, restore=restore)
        _safety(restore, progress)
        with items.opened(target) as alias:
            pauses.prepare(alias, restore)
        switching.switch(restore, target, progress)
    except BaseException:
        pauses.release(restore.pk)
        if not Restore.objects.filter(pk=restore.pk, switched_at__isnull=False).exists():
            target.drop()
        raise
    if restore.scope == Restore.Scope.SYSTEM:
        written = restoring.restore_keys(reader, settings.DATA_DIR, replace=False)
        if written:
            progress.say(f"{len(written)} keys and secrets that were missing were put back.")
        placed = items.fill_storages(files, progress)
        progress.say(f"{placed.written:,} of {placed.count:,} files were missing and were put back.")
        result |= {"files": placed.count, "put_back": placed.written}
    begun = Restore.objects.values_list("started_at", flat=True).get(pk=restore.pk)
    if begun is not None:
        result["rto_seconds"] = round((timezone.now() - begun).total_seconds(), 3)
    Restore.objects.filter(pk=restore.pk).update(result=result)
    pauses.release(restore.pk)
    progress.say("The portal is open again. What waits to go outside is held back: see Maintenance.")


def _safety(restore: Restore, progress: Progress) -> None:
    """A backup of the present before the exchange; without it nothing is exchanged."""
    progress.phase("backup of the present")
    actor = Actor.system_actor("restore")
    place = restore.destination.mirror_of or restore.destination
    run = backups.start_backup(
        actor=actor, destination_id=place.pk, pin=f"before {restore}"[:80], trigger="restore", wake=False
    )
    Restore.objects.filter(pk=restore.pk).update(safety_run=run)
    done = jobs.carry_out(run, upkeep.work)
    progress.check()
    if done.state != BackupRun.State.SUCCEEDED:
        raise Conflict(
            f"The present could not be backed up: {done.error}", remedy="Mend this first; nothing was exchanged."
        )
    progress.say("The present is backed up and pinned.")


def undo_restore(*, actor: Actor, restore_id: uuid.UUID | str) -> Restore:
    """Put the database back that was there before a restore.

    Raises:
        Conflict: it cannot be undone, or not any more.
    """
    require(actor, "backups.restore")
    require_proof(actor)
    restore = get_restore(actor=actor, restore_id=restore_id)
    if restore.state != Restore.State.SUCCEEDED or not restore.before or restore.undo_until is None:
        raise Conflict("This restore cannot be undone.", remedy="Restore another set.")
    if restore.undo_until < timezone.now() or not switching.before_exists(restore):
        raise Conflict(
            "The database of before is gone.", remedy="Restore the backup that was made before: its set is pinned."
        )
    switching.undo(restore)
    # The database of before was put aside while the portal was closed.
    pauses.release(restore.pk)
    record(actor, "backup.restore_undone", obj=restore, after={"set": restore.set_name})
    restore.refresh_from_db()
    return restore


def clear_before(now: dt.datetime | None = None) -> int:
    """Remove the databases of before whose time to undo is over, and plans that nobody carried out."""
    moment = now or timezone.now()
    gone = 0
    for restore in Restore.objects.filter(undo_until__lt=moment).exclude(before=""):
        try:
            switching.forget_before(restore)
            gone += 1
        except (AppError, RepositoryError):
            continue
    stale = Restore.objects.filter(state=Restore.State.PLANNED, created_at__lt=moment - dt.timedelta(days=1))
    stale.update(state=Restore.State.STOPPED, finished_at=moment)
    for restore in Restore.objects.filter(state__in=Restore.FINAL_STATES).exclude(identity_ref=""):
        jobs.forget_key(restore)
    return gone


__all__ = [
    "clear_before",
    "plan_restore",
    "run_restore",
    "start_restore",
    "undo_restore",
]
