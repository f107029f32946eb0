"""Tries migrations before they are run: on an empty copy of the database, then asks the version before whether it still fits.

The copy has every table, index and trigger, the list of applied migrations, and no other row, so it takes a second whatever
the database holds. What a migration does to rows is not tried by it.
"""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.db import connection
from django.db.backends.sqlite3._functions import register  # type: ignore[import-untyped]

from aiwriter import env
from aiwriter.core.errors import Unavailable
from apps.backups.services import postgres

SECONDS = 600


def rehearse(*, previous: Path, python: str) -> str:
    """Run this version's expand migrations on a copy, and the version before against the result.

    Args:
        previous: folder with the code of the version before.
        python: interpreter with its packages.

    Returns:
        what the version before said.

    Raises:
        Unavailable: a migration failed, or the version before could not work on the result.
    """
    with _copy() as url:
        _run(env.BASE_DIR, sys.executable, url, "migrate", "--phase", "expand", "--verbosity", "0")
        return _run(previous, python, url, "schema_fit")


def _run(folder: Path, python: str, url: str, *command: str) -> str:
    variables = {**env.process_environment(), "DATABASE_URL": url}
    done = subprocess.run(
        [python, "manage.py", *command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise Unavailable(
            f"`{command[0]}` with the code in {folder} failed: {(done.stdout + done.stderr).strip()[-1500:]}",
            remedy="Nothing was changed. See docs/operators/migrations.md for what a migration may do.",
        )
    return done.stdout.strip()


@contextmanager
def _copy() -> Iterator[str]:
    """DATABASE_URL of the copy, which is removed afterwards."""
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory(prefix="aiwriter-rehearsal-") as folder:
            path = Path(folder) / "rehearsal.sqlite3"
            _copy_sqlite(path)
            yield f"sqlite:///{path}"
        return
    name = f"aiwriter_rehearsal_{secrets.token_hex(4)}"
    postgres.create_database(name)
    try:
        _copy_postgres(name)
        yield postgres.url_of(name)
    finally:
        postgres.drop_database(name)


def _copy_sqlite(path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        found = [(str(kind), str(name), str(sql)) for kind, name, sql in cursor.fetchall()]
        cursor.execute("SELECT id, app, name, applied FROM django_migrations")
        applied = cursor.fetchall()
    virtual = [name for _, name, sql in found if sql.upper().startswith("CREATE VIRTUAL")]
    order = {"table": 0, "index": 1, "view": 2, "trigger": 3}
    with closing(sqlite3.connect(path)) as copy, copy:
        # Generated columns and checks may call Django's own functions.
        register(copy)
        for _, name, sql in sorted(found, key=lambda each: order[each[0]]):
            # A virtual table brings its own tables; sqlite_ is SQLite's own.
            if name.startswith("sqlite_") or any(name.startswith(f"{each}_") for each in virtual):
                continue
            copy.execute(sql)
        copy.executemany("INSERT INTO django_migrations (id, app, name, applied) VALUES (?, ?, ?, ?)", applied)


def _copy_postgres(name: str) -> None:
    wanted = postgres.parameters()
    dump = postgres.program("pg_dump", postgres.server_major())
    with tempfile.TemporaryFile() as script:
        for part in (["--schema-only"], ["--data-only", "--table=django_migrations"]):
            done = subprocess.run(
                [dump, "--no-owner", "--no-privileges", *part],
                env=postgres.environment(wanted),
                stdout=script,
                stderr=subprocess.PIPE,
                check=False,
                timeout=SECONDS,
            )
            if done.returncode:
                raise Unavailable(f"pg_dump failed: {done.stderr.decode()[-500:]}", remedy="Look at the message.")
        script.seek(0)
        postgres.load(name, script)
