"""Where a staging copy goes: an empty data folder, and a database within it or an empty one of a server."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.conf import settings
from django.db import connections
from django.db.utils import load_backend

from aiwriter import env
from aiwriter.core.errors import Conflict, InvalidInput, StorageFull, Unavailable
from aiwriter.core.late import psycopg, sql

BEGUN, MARK = "staging-begun", "staging.json"
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")


class StagingTarget:
    """The place of one copy.

    Args:
        folder: its data folder.
        url: of its database; a SQLite file in the folder when empty.
        job: id of the copy; a place that it has begun may be begun again.
    """

    def __init__(self, folder: Path, url: str, job: str) -> None:
        self.folder, self._job = folder, job
        self.url = url or f"sqlite:///{folder / 'aiwriter.sqlite3'}"
        self.is_file = not url

    # ------------------------------------------------------------ the place
    def begin(self) -> None:
        """Take the place; what an earlier attempt of the same copy left is removed.

        Raises:
            Conflict: somebody else's data are there.
            StorageFull: the folder cannot be made.
        """
        begun = self.folder / BEGUN
        if begun.is_file() and begun.read_text(encoding="ascii").strip() == self._job:
            self.destroy()
        self.refuse_full()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            begun.write_text(self._job, encoding="ascii")
        except OSError as error:
            raise StorageFull(
                f"{self.folder} cannot be written: {error.strerror}.", remedy="Choose another folder."
            ) from error

    def refuse_full(self) -> None:
        """Refuse a place that holds something.

        Raises:
            Conflict: the folder or the database is not empty.
            Unavailable: the database does not answer.
        """
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise Conflict(f"{self.folder} is not empty.", field="folder", remedy="Name a folder that does not exist.")
        if not self.is_file and self._tables():
            raise Conflict(
                f"The database {shown(self.url)} is not empty.", field="database", remedy="Name an empty database."
            )

    def destroy(self) -> None:
        """Remove everything of it."""
        if not self.is_file:
            with contextlib.closing(self._connect()) as opened:
                # The schema may be somebody else's to drop; its tables are the role's own.
                for name in self._tables(opened):
                    opened.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier("public", name)))
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, facts: dict[str, Any]) -> None:
        """Say in the folder what it is."""
        (self.folder / MARK).write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")
        (self.folder / BEGUN).unlink(missing_ok=True)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(conninfo_of(self.url), autocommit=True, connect_timeout=15)
        except psycopg.Error as error:
            raise Unavailable(
                f"The database {shown(self.url)} does not answer: {str(error).strip()[:300]}.",
                field="database",
                remedy="Look at its address, and whether the role may connect.",
            ) from None

    def _tables(self, opened: psycopg.Connection[Any] | None = None) -> list[str]:
        with contextlib.ExitStack() as stack:
            at = opened or stack.enter_context(contextlib.closing(self._connect()))
            rows = at.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
            return [str(row[0]) for row in rows.fetchall()]

    # ------------------------------------------------------------ as the copy
    def run(self, *arguments: str, deadline: float = 6 * 3600.0) -> dict[str, Any]:
        """Run a step of `manage.py backup_step` as the copy, with nothing of the original's environment.

        Raises:
            Unavailable: the step failed.
        """
        given = env.process_environment()
        environment = {
            **{name: given[name] for name in _INHERITED if name in given},
            "AIWRITER_ENVIRONMENT": "staging",
            "AIWRITER_DATA_DIR": str(self.folder),
            "AIWRITER_LOG_LEVEL": "WARNING",
            "DATABASE_URL": self.url,
            "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
        }
        try:
            done = subprocess.run(
                [sys.executable, "manage.py", "backup_step", *arguments],
                cwd=env.BASE_DIR,
                env=environment,
                capture_output=True,
                text=True,
                timeout=deadline,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"The step '{arguments[0]}' did not end.", remedy="See the log, then try again."
            ) from None
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise Unavailable(f"The copy could not do '{arguments[0]}': {said}", remedy="See the log, then try again.")
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    @contextlib.contextmanager
    def opened(self) -> Iterator[str]:
        """Its database as another database of the models, for the time of the block."""
        alias = f"staging-{uuid.uuid4().hex[:8]}"
        wanted = copy.deepcopy(connections["default"].settings_dict)
        given = environ.Env.db_url_config(self.url)
        wanted.update({name: given.get(name, "") for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})
        wanted.update(CONN_MAX_AGE=0, ATOMIC_REQUESTS=False, AUTOCOMMIT=True)
        if given["ENGINE"] == "django.db.backends.sqlite3":
            wanted["ENGINE"] = given["ENGINE"]
            wanted["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
        else:
            wanted["ENGINE"] = "django.db.backends.postgresql"
            wanted["OPTIONS"] = dict(given.get("OPTIONS", {}))
        connections[alias] = load_backend(wanted["ENGINE"]).DatabaseWrapper(wanted, alias)
        try:
            yield alias
        finally:
            connections[alias].close()
            del connections[alias]

    # ------------------------------------------------------------ its bytes
    def files(self) -> list[Path]:
        """Every file of the folder, the database and its log among them."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def streams(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Every table as text, one after the other."""
        if self.is_file:
            yield from self._tables_of_file()
            return
        with contextlib.closing(self._connect()) as opened:
            for name in self._tables(opened):
                yield f"table {name}", self._copied(opened, name)

    def _copied(self, opened: psycopg.Connection[Any], name: str) -> Iterator[bytes]:
        query = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier("public", name))
        with opened.cursor() as cursor, cursor.copy(query) as rows:
            for piece in rows:
                yield bytes(piece)

    def _tables_of_file(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Overflow pages cut long texts in the file; read as rows they are whole."""
        with self.opened() as alias, connections[alias].cursor() as cursor:
            for name in connections[alias].introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connections[alias].ops.quote_name(name)}")  # noqa: S608
                yield f"table {name}", (_line(row) for row in iter(cursor.fetchone, None))


def _line(row: tuple[Any, ...]) -> bytes:
    return (
        b"\t".join(bytes(each) if isinstance(each, bytes | memoryview) else str(each).encode() for each in row) + b"\n"
    )


def conninfo_of(url: str) -> str:
    """A database URL as the client library takes it."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"postgresql://{parts.netloc}{parts.path}{query}"


def shown(url: str) -> str:
    """A database URL without its password."""
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        return unquote(parts.path)
    name = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{name}{parts.hostname or ''}{port}{parts.path}"


def checked_folder(text: str) -> Path:
    """The data folder of a copy as somebody typed it.

    Raises:
        InvalidInput: it is empty, or within the data folder of this portal.
    """
    wanted = text.strip()
    if not wanted:
        raise InvalidInput("The folder is missing.", field="folder", remedy="Name one, such as /srv/staging.")
    data = Path(settings.DATA_DIR).resolve()
    path = Path(os.path.normpath(data / "staging" / Path(wanted).expanduser()))
    inside = data / "staging"
    if path == data or (data in path.parents and inside not in path.parents) or path in data.parents:
        raise InvalidInput(
            f"{path} belongs to this portal.",
            field="folder",
            remedy=f"Name a folder elsewhere, or a bare name: it is then made in {inside}.",
        )
    return path


def checked_url(text: str) -> str:
    """A database URL as somebody typed it; empty for a file in the folder.

    Raises:
        InvalidInput: it names no PostgreSQL database.
    """
    wanted = text.strip()
    if not wanted:
        return ""
    try:
        parts = urlsplit(wanted)
        good = parts.scheme in ("postgres", "postgresql") and bool(parts.hostname) and len(parts.path) > 1
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise InvalidInput(
            "This is no address of a PostgreSQL database.",
            field="database",
            remedy="Use postgres://user:password@host:5432/name, or leave it empty for SQLite in the folder.",
        )
    own = connections["default"].settings_dict
    if (own.get("HOST") or "localhost", str(own.get("PORT") or 5432), own["NAME"]) == (
        parts.hostname,
        str(parts.port or 5432),
        unquote(parts.path.lstrip("/")),
    ):
        raise InvalidInput("This is the portal's own database.", field="database", remedy="Name an empty database.")
    return wanted
