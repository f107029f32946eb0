"""A portal on an empty machine, from a repository and a key alone."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter import env
from aiwriter.core import secretrefs
from aiwriter.core.errors import Conflict, NotFound
from aiwriter.core.late import psycopg
from apps.backups.models import Destination
from apps.backups.repository import keys
from apps.backups.repository.errors import RepositoryError
from apps.backups.repository.repository import Repository
from apps.backups.services import (
    capture,
    catalogue,
    items,
    jobs,
    moment_restore,
    moments,
    pauses,
    postgres,
    restoring,
    sqlite,
)
from apps.backups.services.alerts import tell_operators
from apps.backups.services.contents import DATABASE
from apps.backups.services.progress import Progress, Quiet
from apps.backups.services.repositories import RepositoryProblem, told, work_folder
from apps.backups.services.restoring import Target
from apps.backups.services.stores import folder_of, open_named
from apps.users.selectors.access import Actor
from apps.users.services.audit import record

Say = Callable[[str], None]


def rebuild(
    *, repository: str, key: str, set_name: str = "", moment: dt.datetime | None = None, say: Say
) -> dict[str, Any]:
    """Restore keys, database and files of a set into this machine's empty data folder and database.

    Args:
        repository: the repository's folder, or its address in an object store (`open_named`).
        key: the key itself.
        set_name: which set; the newest that is whole when left out.
        moment: the state of this moment, where changes were captured.
        say: told what is done.

    Returns:
        seconds by phase, counts, and how many secrets were variables of the old machine.

    Raises:
        Conflict: the database is not empty.
        RepositoryProblem: there is no repository, or the key is wrong.
        NotFound: there is no such set.
    """
    progress = Quiet(say)
    phases: dict[str, float] = {}
    begun = time.monotonic()
    opened = _open(repository, key)
    sets = opened.sets()
    whole = [info for info in sets if not info.extra.get("missing")] or sets
    choice = moments.choose(opened, moment) if moment else None
    set_name = choice.base if choice else set_name
    chosen = next((info for info in sets if info.id == set_name), None) if set_name else (whole[-1] if whole else None)
    if chosen is None:
        raise NotFound("There is no such set in the repository.", field="set", remedy="Leave it out for the newest.")
    _require_empty()
    with told():
        reader = opened.reader(chosen.id)
    extra = reader.info.extra
    say(f"Set {chosen.id}, taken at {extra.get('snapshot_at', chosen.created)} by version {extra.get('portal', '?')}.")
    phases["opening"] = time.monotonic() - begun
    data_dir = Path(settings.DATA_DIR)

    mark = time.monotonic()
    target, reached = _place_database(opened, choice, reader, progress)
    phases["database"] = time.monotonic() - mark
    rows = sum(int(table["rows"]) for table in extra["database"]["tables"].values())
    say(f"Database: {rows:,} rows, as the manifest says{', and the changes up to the moment' if choice else ''}.")

    mark = time.monotonic()
    written = restoring.restore_keys(reader, data_dir, replace=True)
    key_file = work_folder() / "rebuild-key"
    key_file.touch(mode=0o600)
    key_file.write_text(key, encoding="ascii")
    phases["keys"] = time.monotonic() - mark
    say(f"Keys and secrets: {len(written)} files.")

    mark = time.monotonic()
    try:
        # A process of its own: this one was started with another secret key.
        found = restoring.in_child(
            target,
            data_dir,
            "finish",
            "--repository",
            repository,
            "--key-file",
            str(key_file),
            "--set",
            chosen.id,
            *(["--moment", moment.isoformat()] if moment else []),
            deadline=24 * 3600,
        )
    finally:
        key_file.unlink(missing_ok=True)
    phases["files"] = time.monotonic() - mark
    say(f"Files: {found['files']:,}, of which {found['missing']:,} were not in the set.")
    present = env.process_environment()
    variables = sorted(name for name in restoring.secret_variables(reader) if not present.get(name))
    if variables:
        say("The old machine had these secrets in its environment; set them here too: " + ", ".join(variables))
    seconds = {name: round(value, 3) for name, value in phases.items()}
    return {
        "set": chosen.id,
        "phases": seconds,
        "rto_seconds": round(time.monotonic() - begun, 3),
        "rows": rows,
        "reached": reached,
        **found,
        "variables": variables,
    }


def _open(repository: str, key: str) -> Repository:
    store = open_named(repository)
    try:
        keys.parse_identity(key)
        return Repository.open(store, cache=None, identity=key)
    except RepositoryError as problem:
        raise RepositoryProblem(problem) from problem


def _require_empty() -> None:
    """A rebuild writes over nothing.

    Raises:
        Conflict: somebody lives here.
    """
    remedy = "Restore into a running portal with the console, or start with an empty data folder and database."
    if connection.vendor == "sqlite":
        path = sqlite.live_path()
        if path.exists() and path.stat().st_size and "users_user" in sqlite.measure(path):
            raise Conflict(f"{path} holds a portal already.", remedy=remedy)
        return
    with psycopg.connect(**postgres.parameters()) as opened:
        if opened.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1").fetchone():
            raise Conflict("The database of DATABASE_URL is not empty.", remedy=remedy)


def _place_database(
    opened: Repository, choice: moments.Choice | None, reader: Any, progress: Progress
) -> tuple[Target, int | None]:
    """The database of a set, or of a moment, where this portal's is to be; and which moment was reached."""
    extra = reader.info.extra
    if connection.vendor == "sqlite":
        folder = work_folder() / "rebuild"
        folder.mkdir(exist_ok=True, mode=0o700)
        (folder / "aiwriter.sqlite3").unlink(missing_ok=True)
        if choice is not None:
            made = moment_restore.restore_moment(opened, choice, reader, folder, "rebuild", progress)
            target, reached = made.target, made.reached
        else:
            target, reached = restoring.restore_database(reader, extra, folder, "rebuild", progress), None
            restoring.require_same(target, extra, progress)
        path = sqlite.live_path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        Path(target.place).replace(path)
        return Target("sqlite", f"sqlite:///{path}", str(path)), reached
    restoring.refuse_other_engine(extra)
    if choice is not None:
        made = moment_restore.restore_server_moment(opened, choice, reader, progress)
        return made.target, made.reached
    name = str(postgres.parameters()["dbname"])
    with told():
        postgres.load(name, reader.open(DATABASE["postgresql"]))
    target = Target("postgresql", postgres.url_of(name), name)
    restoring.require_same(target, extra, progress)
    return target, None


def finish(*, repository: str, key_file: str, set_name: str, moment: str = "") -> dict[str, Any]:
    """The second half of a rebuild, as the restored portal: migrations, files, the place for backups, indexes.

    Args:
        repository: the repository's folder.
        key_file: file with the key.
        set_name: the set that was restored.
        moment: the moment, as ISO 8601; files that were added after the set lie in the next one.
    """
    key = Path(key_file).read_text(encoding="ascii").strip()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    opened = _open(repository, key)
    with told():
        files: Any = opened.reader(set_name)
        if moment:
            choice = moments.choose(opened, dt.datetime.fromisoformat(moment))
            files = moment_restore.files_of(opened, choice, files)
    placed = items.fill_storages(files, Quiet(lambda _: None))
    _adopt(opened, key, repository)
    capture.sync_wanted()
    pauses.hold_outside()
    for path in settings.AFTER_RESTORE:
        import_string(path)()
    record(
        Actor.system_actor("rebuild"), "backup.restored", after={"scope": "system", "set": set_name, "rebuilt": True}
    )
    tell_operators(
        "backup.rebuilt",
        "The portal was rebuilt from a backup.",
        "What was waiting at that time to be published or sent is held back: let it go, or throw it away, under "
        "Maintenance. Look at the places for backups too.",
    )
    return {"files": placed.count, "put_back": placed.written, "missing": placed.missing}


def _adopt(opened: Repository, key: str, repository: str) -> None:
    """Let the restored portal go on with its repository, with the key that was just used."""
    own = keys.recipient_of(key)
    for place in Destination.objects.filter(mirror_of=None):
        if own in place.recipients:
            reference = secretrefs.store("backup-identity", key)
            Destination.objects.filter(pk=place.pk).update(identity_ref=reference)
            Destination.objects.filter(mirror_of=place).update(identity_ref=reference)
    _find_again(opened, repository)
    # What was under way when the set was made, the making of the set itself first of all, is not gone on with.
    for model in jobs.KINDS.values():
        model.objects.filter(state__in=("queued", "running", "planned")).update(
            state="stopped",
            lease_until=None,
            finished_at=timezone.now(),
            error="It was under way when the set was made.",
        )


def _find_again(opened: Repository, repository: str) -> None:
    """The place that the set came from is where it was found, which is another path than on the old machine."""
    places = Destination.objects.filter(mirror_of=None)
    if repository.startswith("s3://"):
        for place in places.filter(kind=Destination.Kind.STORAGE):
            if place.recipients == list(opened.recipients):
                catalogue.synchronise(place, opened)
        return
    source = Path(repository).expanduser().resolve()
    for place in places.filter(kind=Destination.Kind.FOLDER):
        if place.recipients == list(opened.recipients) and not (folder_of(place) / "format").is_file():
            Destination.objects.filter(pk=place.pk).update(folder=str(source))
            place.folder = str(source)
        if folder_of(place).resolve() == source:
            catalogue.synchronise(place, opened)
