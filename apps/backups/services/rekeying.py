"""Keys of a place: who can open it, whether a key does, and encrypting everything anew as a job."""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import closing
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import Conflict, Unavailable
from apps.backups.models import BackupRun, Destination
from apps.backups.repository import keys
from apps.backups.repository.rotation import reencrypt
from apps.backups.selectors.destinations import get_destination
from apps.backups.services import jobs
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import control_of, open_repository, told
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services.audit import record

LEFT_OVER = 14


@dataclass(frozen=True, slots=True)
class Keys:
    """Who can open a place.

    Args:
        recipients: public keys and their fingerprints.
        kept_here: whether the portal has a key that opens it.
        changed_at: when the recipients were decided anew; None: never since the place was made.
        anew_at: when everything was last encrypted anew.
        tested_at: when a key was last shown to open a set.
        running: a run that encrypts everything anew, at this moment.
    """

    recipients: list[tuple[str, str]]
    kept_here: bool
    changed_at: dt.datetime | None
    anew_at: dt.datetime | None
    tested_at: dt.datetime | None
    running: BackupRun | None


def keys_of(*, actor: Actor, destination_id: uuid.UUID | str) -> Keys:
    """Who can open a place. No key is needed, and none is shown.

    Raises:
        NotFound, PermissionDenied: it is not the actor's to read.
    """
    row = get_destination(actor=actor, destination_id=destination_id)
    running = BackupRun.objects.filter(
        destination=row, action=BackupRun.Action.REENCRYPT, state__in=("queued", "running")
    ).first()
    found = [(each, keys.fingerprint(each)) for each in row.recipients]
    return Keys(found, bool(row.identity_ref), row.keys_changed_at, row.encrypted_anew_at, row.key_tested_at, running)


def try_key(*, actor: Actor, destination_id: uuid.UUID | str, identity: str = "") -> Destination:
    """Show that a key opens the newest set: its first contents are decrypted and compared with their names.

    Args:
        actor: needs "backups.restore".
        destination_id: which place.
        identity: the key; the stored one when left out. It is not kept.

    Raises:
        Conflict: there is no set yet.
        AppError: the key is wrong or missing (exit code 12), or the place cannot be reached.
    """
    require(actor, "backups.restore")
    row = get_destination(actor=actor, destination_id=destination_id)
    with closing(open_repository(row, identity=identity.strip(), reading=True)) as repository, told():
        newest = max(repository.sets(), key=lambda each: each.created, default=None)
        if newest is None:
            raise Conflict("There is no set that a key could open.", remedy="Make a backup first.")
        reader = repository.reader(newest.id)
        entry = min(reader.entries(), key=lambda each: each.size, default=None)
        if entry is not None:
            with closing(reader.open(entry.path)) as stream:
                while stream.read(1 << 20):
                    pass
    with transaction.atomic():
        note_tested(row)
        record(actor, "backup.key_tested", obj=row, after={"set": newest.id, "given": bool(identity.strip())})
    row.refresh_from_db()
    return row


def note_tested(destination: Destination) -> None:
    """A key has just opened the place."""
    Destination.objects.filter(pk=destination.pk).update(key_tested_at=timezone.now())


def start_reencrypt(
    *,
    actor: Actor,
    destination_id: uuid.UUID | str,
    identity: str = "",
    trigger: str = "person",
    wake: bool = True,
) -> BackupRun:
    """Ask for everything to be encrypted anew, so that who had a key and was taken off the recipients reads nothing more.

    Stopped or killed, it is gone on with by the next run. Copies follow with their next run.

    Args:
        actor: needs "backups.restore".
        destination_id: which place.
        identity: a key that opens it; the stored one when left out. It is forgotten when the run has ended.
        trigger: who wanted it.
        wake: let a worker do it; a command does it itself.

    Raises:
        Conflict: the place is a copy.
        Busy: the same waits or runs already.
        AppError: the key is wrong or missing, or the place cannot be reached.
    """
    require(actor, "backups.restore")
    require_proof(actor)
    row = get_destination(actor=actor, destination_id=destination_id)
    if row.mirror_of_id:
        raise Conflict("A copy follows the place that it is a copy of.", remedy="Do it there.")
    given = identity.strip()
    # A wrong key is told now, not by a run that fails later.
    open_repository(row, identity=given, reading=True).close()
    with transaction.atomic():
        waiting = BackupRun.objects.filter(destination=row, action=BackupRun.Action.REENCRYPT)
        if waiting.filter(state__in=("queued", "running")).exists():
            raise jobs.Busy("The same is going on already.", remedy="Wait for it, or stop it.")
        run = BackupRun.objects.create(
            action=BackupRun.Action.REENCRYPT,
            destination=row,
            trigger=trigger,
            requested_by=actor.user,
            identity_ref=secretrefs.store("reencrypt-identity", given) if given else "",
        )
        record(actor, "backup.keys_changed", obj=row, after={"encrypted_anew": "asked for"})
        if wake:
            jobs.wake(run)
    return run


def run_reencrypt(run: BackupRun, progress: Progress) -> None:
    """Encrypt every pack and segment under a new key.

    Raises:
        Unavailable: something could not be read; the old key still opens it (exit code 14).
        AppError, RepositoryError: the key is wrong, or the place cannot be reached.
    """
    place = run.destination
    given = secretrefs.resolve(run.identity_ref).reveal() if run.identity_ref else ""
    progress.phase("opening")
    with closing(open_repository(place, identity=given, reading=True)) as repository:
        progress.phase("encrypting")
        with told():
            report = reencrypt(repository, control=control_of(progress))
    BackupRun.objects.filter(pk=run.pk).update(
        result={
            "packs": report.packs,
            "segments": report.segments,
            "bytes": report.bytes,
            "finished": report.finished,
            "failed": report.failed[:100],
        }
    )
    progress.say(
        f"{report.packs} packs, {report.bytes / 2**20:,.1f} MiB, and {report.segments} segments are encrypted anew."
        + (" An earlier run was gone on with." if report.resumed else "")
    )
    record(
        Actor.system_actor("backups"),
        "backup.keys_changed",
        obj=place,
        after={"encrypted_anew": "finished" if report.finished else "in part", "packs": report.packs},
    )
    now = timezone.now()
    Destination.objects.filter(pk=place.pk).update(
        key_tested_at=now, **({"encrypted_anew_at": now} if report.finished else {})
    )
    if not report.finished:
        error = Unavailable(
            f"{len(report.failed)} packs could not be read; the old key still opens them.",
            remedy="Run a check and a backup: what the portal still has is stored again. Then encrypt anew once more.",
        )
        error.exit_code = LEFT_OVER
        raise error


__all__ = ["Keys", "keys_of", "note_tested", "run_reencrypt", "start_reencrypt", "try_key"]
