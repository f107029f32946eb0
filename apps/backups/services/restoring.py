"""A set put into a place of its own: database, keys and files, as drills, restores and rebuilds need it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import connection

from aiwriter import env
from aiwriter.core import keyring
from aiwriter.core.errors import Conflict, Unavailable
from aiwriter.core.late import psycopg
from aiwriter.core.wholefiles import write_whole
from apps.backends.services import encryption
from apps.backups.services import postgres, sqlite
from apps.backups.services.contents import DATABASE, SECRETS, file_entry
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import told
from apps.backups.services.snapshots import differences

_PIECE = 1 << 20
_BLOBS = (
    "SELECT b.sha256, b.size, b.storage_name, b.encrypted, p.managed, p.kind, b.key_id "
    "FROM backends_storedblob b JOIN backends_backendprofile p ON p.id = b.profile_id ORDER BY b.sha256"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A database of its own that a set was put into.

    Args:
        engine: "sqlite" or "postgresql".
        url: as `DATABASE_URL` names it.
        place: the file, or the name of the database.
    """

    engine: str
    url: str
    place: str

    def measure(self) -> dict[str, dict[str, Any]]:
        """Rows and digest of every table."""
        return sqlite.measure(Path(self.place)) if self.engine == "sqlite" else postgres.measure(self.place)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read from it."""
        if self.engine == "sqlite":
            with contextlib.closing(sqlite.reading(Path(self.place))) as opened:
                return list(opened.execute(query))
        with contextlib.closing(psycopg.connect(**postgres.parameters(self.place))) as other:
            return list(other.execute(query.encode()))

    def drop(self) -> None:
        """Remove it."""
        if self.engine == "sqlite":
            for ending in ("", "-wal", "-shm"):
                Path(self.place + ending).unlink(missing_ok=True)
        else:
            postgres.drop_database(self.place)


def refuse_other_engine(extra: Mapping[str, Any]) -> None:
    """A dump of one database system is nothing to another.

    Raises:
        Conflict: the portal runs on another one than the set was made of.
    """
    engine = extra.get("database", {}).get("engine", "")
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    if engine != connection.vendor:
        raise Conflict(
            f"The set was made of {names.get(engine, 'another system')}, and this portal runs on "
            f"{names.get(connection.vendor, connection.vendor)}.",
            remedy="Start a portal on the set's own system, with DATABASE_URL, and restore there.",
        )


def restore_database(reader: Any, extra: Mapping[str, Any], folder: Path, name: str, progress: Progress) -> Target:
    """Put the database of a set into a new place, and see that it is whole.

    Args:
        reader: of the set.
        extra: the set's manifest.
        folder: where a SQLite file goes.
        name: part of a PostgreSQL database's name.
        progress: phases and stop.

    Raises:
        Conflict: the portal runs on another database system.
        Unavailable: it could not be put there, or is not what the manifest says.
    """
    refuse_other_engine(extra)
    size = int(extra["database"].get("bytes", 0))
    progress.phase("database", size)
    if connection.vendor == "sqlite":
        path = folder / "aiwriter.sqlite3"
        sqlite.require_space(folder, size)
        with told(), contextlib.closing(reader.open(DATABASE["sqlite"])) as stream, path.open("xb") as file:
            copy_stream(stream, file, progress, size)
        path.chmod(0o600)
        sqlite.check(path)
        return Target("sqlite", f"sqlite:///{path}", str(path))
    database = f"{postgres.parameters()['dbname'][:30]}_{name}"
    postgres.create_database(database)
    target = Target("postgresql", postgres.url_of(database), database)
    try:
        with told(), contextlib.closing(reader.open(DATABASE["postgresql"])) as stream:
            postgres.load(database, stream)
    except BaseException:
        target.drop()
        raise
    return target


def compare(target: Target, extra: Mapping[str, Any], progress: Progress) -> list[str]:
    """Differences between a restored database and what the manifest says; empty when there are none."""
    progress.phase("comparing")
    return differences(extra["database"]["tables"], target.measure())


def require_same(target: Target, extra: Mapping[str, Any], progress: Progress) -> None:
    """Refuse a restored database that is not what the manifest says.

    Raises:
        Unavailable: with the first difference.
    """
    if wrong := compare(target, extra, progress):
        raise Unavailable(f"The restored database is not that of the set: {wrong[0]}.", remedy="Use another set.")


def copy_stream(source: BinaryIO, target: BinaryIO, progress: Progress, size: int) -> None:
    """Copy, with progress and stops."""
    done = 0
    while piece := source.read(_PIECE):
        target.write(piece)
        done += len(piece)
        progress.progress("database", done, size)
        progress.check()


def restore_keys(reader: Any, data_dir: Path, *, replace: bool) -> list[str]:
    """Write keys and secrets of a set below a data folder.

    Args:
        reader: of the set, opened with a key.
        data_dir: the data folder.
        replace: also over what is there; without it only what is missing is written.

    Returns:
        the names that were written.
    """
    with told(), contextlib.closing(reader.open(SECRETS)) as stream:
        bundle = json.loads(stream.read())
    written = []
    secrets_dir = Path(settings.SECRETS_DIR) if data_dir == Path(settings.DATA_DIR) else data_dir / "secrets"
    for name, content in sorted(bundle["files"].items()):
        label, _, file = name.partition("/")
        if label not in ("keys", "secrets") or "/" in file or file in ("", ".", ".."):
            continue
        folder = data_dir / "keys" if label == "keys" else secrets_dir
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / file
        if path.exists() and not replace:
            if name == keyring.IN_BACKUPS:
                # What is restored may be sealed with keys that this installation does not have, or not any more.
                keyring.take_over(base64.b64decode(content))
            continue
        write_whole(path, base64.b64decode(content))
        written.append(name)
    return written


def secret_variables(reader: Any) -> dict[str, str]:
    """Secrets that the backed-up portal had in its environment, for the operator of a rebuilt one."""
    with told(), contextlib.closing(reader.open(SECRETS)) as stream:
        found: dict[str, str] = json.loads(stream.read())["variables"]
    return found


@dataclass(slots=True)
class Placed:
    """What became of the files of a set."""

    count: int = 0
    bytes: int = 0
    written: int = 0
    missing: int = 0
    damaged: int = 0


def restore_files(reader: Any, target: Target, data_dir: Path, progress: Progress, *, write: bool = True) -> Placed:
    """Put the files that a restored database names below a data folder, as the local file store keeps them.

    Every content is read to its end and compared with its digest. Files of other storages are read and compared too,
    and not written: a drill must not touch the storage of the living portal.

    Args:
        reader: of the set.
        target: the restored database.
        data_dir: whose `files` folder is filled; its keys must be there already.
        progress: phases and stop.
        write: without it everything is only read.
    """
    rows = target.rows(_BLOBS)
    total = sum(int(row[1]) for row in rows)
    progress.phase("files", total)
    there = {entry.path for entry in reader.entries("files/")}
    placed, done = Placed(), 0
    # A content can lie in two storages.
    wanted: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        if file_entry(row[0]) in there:
            wanted.setdefault(file_entry(row[0]), []).append(row)
        else:
            placed.missing += 1
            done += int(row[1])
    # Each file is encrypted with the key that its row names: the set may hold several of them.
    keys = {str(row[6]): encryption.key_of_folder(data_dir, str(row[6])) for row in rows if row[3]}
    with told(), contextlib.closing(reader.each(wanted)) as streams:
        for name, stream in streams:
            for number, row in enumerate(wanted[name]):
                sha256, size, storage_name, encrypted, managed, kind, key_id = row
                path = data_dir / "files" / str(storage_name) if write and managed and kind == "storage" else None
                key = keys[str(key_id)] if encrypted else b""
                with contextlib.closing(reader.open(name)) if number else contextlib.nullcontext(stream) as content:
                    whole = _place(content, path, str(sha256), key)
                done += int(size)
                placed.count += 1
                placed.bytes += int(size)
                placed.written += path is not None
                placed.damaged += not whole
                progress.progress("files", done, total)
                progress.check()
    return placed


def _place(stream: BinaryIO, path: Path | None, sha256: str, key: bytes) -> bool:
    source = _Hashing(stream)
    if path is None:
        while source.read(_PIECE):
            pass
        return source.hexdigest == sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pieces = encryption.encrypt(source, key) if key else iter(lambda: source.read(_PIECE), b"")  # type: ignore[arg-type]
        for piece in pieces:
            file.write(piece)
    return source.hexdigest == sha256


class _Hashing:
    """A stream that is hashed while it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Bytes of the stream."""
        piece = self._stream.read(size)
        self._digest.update(piece)
        return piece

    @property
    def hexdigest(self) -> str:
        """Of what was read."""
        return self._digest.hexdigest()


def child_environment(target: Target, data_dir: Path) -> dict[str, str]:
    """The environment of a process that is to be the restored portal: its database, its data folder, nothing outside."""
    inherited = env.process_environment()
    for name in (
        "AIWRITER_SECRETS_DIR",
        "AIWRITER_KEYRING",
        "AIWRITER_CHROMA_URL",
        "REDIS_URL",
        "CELERY_BROKER_URL",
        "EMAIL_URL",
    ):
        inherited.pop(name, None)
    # The secret key of the set is used, as a rebuilt portal would, unless it stood in the environment anyway.
    if (data_dir / "keys" / "secret_key").is_file():
        inherited.pop("AIWRITER_SECRET_KEY", None)
    return {
        **inherited,
        "DATABASE_URL": target.url,
        "AIWRITER_DATA_DIR": str(data_dir),
        "AIWRITER_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
    }


def in_child(target: Target, data_dir: Path, *arguments: str, deadline: float = 900.0) -> dict[str, Any]:
    """Run a step as the restored portal, in a process of its own, and return what it found out.

    Args:
        target: the restored database.
        data_dir: the restored data folder.
        arguments: of `manage.py backup_step`.
        deadline: seconds.

    Raises:
        Unavailable: the step failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", "backup_step", *arguments],
            cwd=env.BASE_DIR,
            env=child_environment(target, data_dir),
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"The step '{arguments[0]}' did not end within {deadline:.0f} s.", remedy="See the log, then try again."
        ) from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise Unavailable(f"The restored portal could not do '{arguments[0]}': {said}", remedy="Use another set.")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
