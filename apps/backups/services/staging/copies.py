"""A staging copy from the wish to its end: made from a set, masked while it streams, finished, searched, marked."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from aiwriter import env
from aiwriter.core import secretrefs
from aiwriter.core.errors import AppError, Conflict, Unavailable
from apps.backends.models import StoredFile
from apps.backups.models import BackupSet, StagingCopy
from apps.backups.selectors.sets import get_set
from apps.backups.services import items, jobs, restoring
from apps.backups.services.backups import scratch_folder
from apps.backups.services.progress import LostJob, Progress
from apps.backups.services.repositories import open_repository, told
from apps.backups.services.staging import rows, steps
from apps.backups.services.staging.files import Placeholders, forget_unnamed
from apps.backups.services.staging.masks import Masks
from apps.backups.services.staging.originals import Originals, Search
from apps.backups.services.staging.targets import BEGUN, StagingTarget, checked_folder, checked_url, shown
from apps.users.models import User
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

FOUND = 14
SIGN_IN = "sign-in.txt"
_TOLD = 20


def start_staging(
    *,
    actor: Actor,
    set_id: uuid.UUID | str,
    folder: str,
    database: str = "",
    identity: str = "",
    trigger: str = "person",
    wake: bool = True,
) -> StagingCopy:
    """Ask for a staging copy.

    Args:
        actor: needs "backups.restore": everything of the set is read.
        set_id: which set.
        folder: the data folder of the copy, which must be empty or not be there; a bare name is a folder below
            `DATA_DIR/staging`.
        database: address of an empty PostgreSQL database; SQLite in the folder when left out.
        identity: the key, when it is not on this machine; it is forgotten at the end.
        trigger: who wanted it.
        wake: let a worker do it; a command does it itself.

    Raises:
        NotFound, PermissionDenied: the set is not the actor's to read.
        InvalidInput: folder or database cannot be used.
        Conflict: one of them holds something, the set cannot be used, or another copy is being made.
        AppError: the set cannot be opened.
    """
    require(actor, "backups.restore")
    chosen = get_set(actor=actor, set_id=set_id)
    path, url = checked_folder(folder), checked_url(database)
    if chosen.state in (BackupSet.State.SUSPICIOUS, BackupSet.State.DAMAGED):
        raise Conflict(f"The set is {chosen.get_state_display().lower()}.", field="set_id", remedy="Use another one.")
    StagingTarget(path, url, "").refuse_full()
    repository = open_repository(chosen.destination, identity=identity.strip(), reading=True)
    with told():
        restoring.refuse_other_engine(repository.reader(chosen.name).info.extra)
    with transaction.atomic():
        if StagingCopy.objects.filter(state__in=("queued", "running")).exists():
            raise jobs.Busy("A staging copy is being made already.", remedy="Wait for it, or stop it.")
        job = StagingCopy.objects.create(
            destination=chosen.destination,
            backup_set=chosen,
            set_name=chosen.name,
            folder=str(path),
            database=shown(url)[:300] if url else "",
            database_ref=secretrefs.store("staging-database", url) if url else "",
            identity_ref=secretrefs.store("staging-identity", identity.strip()) if identity.strip() else "",
            trigger=trigger,
            requested_by=actor.user,
        )
        record(
            actor,
            "backup.staging_requested",
            obj=job,
            after={"set": chosen.name, "folder": str(path), "database": job.database},
        )
        if wake:
            jobs.wake(job)
    return job


def run_staging(job: StagingCopy, progress: Progress) -> None:
    """Make it. A copy that cannot be finished, or in which an original is found, is removed.

    Args:
        job: claimed.
        progress: its row.

    Raises:
        Unavailable: an original was found (exit code 14), or a step failed.
        AppError, RepositoryError: the set could not be restored, or the place cannot be used.
    """
    clock: dict[str, float] = {}
    identity = secretrefs.resolve(job.identity_ref).reveal() if job.identity_ref else ""
    url = secretrefs.resolve(job.database_ref).reveal() if job.database_ref else ""
    progress.phase("opening")
    repository = open_repository(job.destination, identity=identity, reading=True)
    with told():
        reader = repository.reader(job.set_name)
    target = StagingTarget(Path(job.folder), url, str(job.pk))
    target.begin()
    try:
        found = _make(job, reader, target, progress, clock)
        StagingCopy.objects.filter(pk=job.pk).update(scan=found, result={**_result(job), "seconds": clock})
        if found["found"]:
            error = Unavailable(
                f"The scan found {found['found']} originals in the copy, the first one in {found['places'][0]['where']} "
                f"({found['places'][0]['kind']}). The copy was removed.",
                remedy="The data map of that table has a gap: tell the maintainers which one it is.",
            )
            error.exit_code = FOUND
            raise error
        with target.opened() as there:
            steps.mark(there, set_name=job.set_name)
        target.finish({"set": job.set_name, "portal": settings.VERSION, "sanitised": True, "scan": found})
    except LostJob:
        raise
    except BaseException:
        _remove(target, progress)
        raise
    progress.say(f"The copy is ready: {_start_of(target)}")
    progress.say(f"Its administrator signs in with what stands in {target.folder / SIGN_IN}.")
    record(Actor.system_actor("staging"), "backup.staging_made", obj=job, after={"set": job.set_name, "scan": found})


def _make(
    job: StagingCopy, reader: Any, target: StagingTarget, progress: Progress, clock: dict[str, float]
) -> dict[str, Any]:
    """Everything but the verdict; returns what the scan found."""
    secret, originals = secrets.token_bytes(32), Originals()
    extra = reader.info.extra
    with scratch_folder(job.pk) as scratch:
        with _timed(clock, "restoring"):
            restored = restoring.restore_database(reader, extra, scratch, f"staging_{job.pk.hex[-8:]}", progress)
        try:
            items.bring_up_to_date(restored, extra, scratch, progress)
            with _timed(clock, "preparing"):
                progress.phase("preparing")
                target.run("staging-begin")
            # What a new portal holds, and the words of the code, are the product's own.
            own = [*_bytes_of(target), *_code()]
            with _timed(clock, "rows"), items.opened(restored) as source, target.opened() as there:
                masks = Masks(secret, shipped=rows.shipped(there), people=_people(source), files=_files(source))
                placeholders = Placeholders(source, there, secret, target.folder)
                counts = rows.fill(
                    source, there, masks=masks, placeholders=placeholders, originals=originals, progress=progress
                )
                forget_unnamed(there, target.folder, progress)
        finally:
            restored.drop()
    total = sum(counts.values())
    progress.say(f"{total:,} rows of {len(counts)} tables are masked, {placeholders.count:,} files replaced.")
    StagingCopy.objects.filter(pk=job.pk).update(
        result={"tables": counts, "rows": total, "files": placeholders.count, "start": _start_of(target)}
    )
    with _timed(clock, "finishing"):
        progress.phase("finishing")
        target.run("staging-finish", "--sign-in", str(target.folder / SIGN_IN))
    progress.check()
    with _timed(clock, "scanning"):
        return _scan(target, originals.haystack(own), progress)


def _scan(target: StagingTarget, search: Search, progress: Progress) -> dict[str, Any]:
    """Look for every original in every byte of the copy: files, the database's log, and each table as text."""
    files = target.files()
    progress.phase("scanning", sum(path.stat().st_size for path in files))
    places: list[dict[str, Any]] = []
    tables = 0
    for path in files:
        found = search.path(path)
        places += [_place(str(path.relative_to(target.folder)), at, search.needles[needle]) for at, needle in found]
        progress.progress("scanning", search.looked, 0)
        progress.check()
    for name, pieces in target.streams():
        tables += 1
        tail, begin = b"", 0
        for piece in pieces:
            data = tail + piece
            places += [_place(name, begin + at, search.needles[needle]) for at, needle in search.look(data)]
            tail = data[-256:]
            begin += len(data) - len(tail)
        progress.progress("scanning", search.looked, 0)
        progress.check()
    progress.say(
        f"Scan: {len(search.needles):,} originals looked for in {len(files):,} files and {tables} tables, "
        f"{search.looked / 2**20:,.1f} MiB: {len(search.hits)} found."
    )
    return {
        "looked_for": len(search.needles),
        "files": len(files),
        "tables": tables,
        "bytes": search.looked,
        "found": len(search.hits),
        "places": places[:_TOLD],
    }


def _place(where: str, at: int, kind: str) -> dict[str, Any]:
    """A place, without what was found there: the report itself must not hold an original."""
    return {"where": where, "at": at, "kind": kind}


def _bytes_of(target: StagingTarget) -> Iterator[bytes]:
    for path in target.files():
        if path.name != BEGUN:
            yield path.read_bytes()
    for _, pieces in target.streams():
        yield b"".join(pieces)


def _code() -> Iterator[bytes]:
    for part in ("aiwriter", "apps", "plugins", "templates"):
        for path in sorted((Path(env.BASE_DIR) / part).rglob("*")):
            if path.suffix in (".py", ".html", ".txt", ".toml"):
                yield path.read_bytes()


def _people(source: str) -> dict[str, str]:
    return {
        email.casefold(): str(key)
        for key, email in User._base_manager.using(source).values_list("pk", "email")
        if email
    }


def _files(source: str) -> set[str]:
    return {str(key) for key in StoredFile._base_manager.using(source).values_list("pk", flat=True)}


def _result(job: StagingCopy) -> dict[str, Any]:
    found: dict[str, Any] = StagingCopy.objects.values_list("result", flat=True).get(pk=job.pk)
    return found


def _start_of(target: StagingTarget) -> str:
    """How it is started; the password of its database is the operator's to fill in."""
    database = "" if target.is_file else f"DATABASE_URL='{shown(target.url)}' "
    return f"AIWRITER_ENVIRONMENT=staging AIWRITER_DATA_DIR='{target.folder}' {database}make run"


def _remove(target: StagingTarget, progress: Progress) -> None:
    try:
        target.destroy()
    except AppError as problem:
        progress.say(f"What was begun could not be removed: {problem.message}")


@contextmanager
def _timed(clock: dict[str, float], name: str) -> Iterator[None]:
    begun = time.monotonic()
    try:
        yield
    finally:
        clock[name] = round(time.monotonic() - begun, 3)
