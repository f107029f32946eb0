"""Backups of databases: dumps, copies, bases, moments and vectors, beside the servers' own programs, pgBackRest, restic and django-dbbackup.

Each database is measured by a child process (`_backup_database`). A peer that is not installed says "not run".
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks import Row
from tests.benchmarks._backup_database import MEGABYTES, ROUNDS, ROW_BYTES, change, fill
from tests.servers import free_port, pgbackrest
from tests.servers.postgres import Postgres

ROOT = Path(__file__).parents[2]
VECTORS = 20_000


def measure() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory(prefix="aiwriter-bench-") as name:
        folder = Path(name)
        rows = _sqlite(folder)
        with Postgres({"summarize_wal": "on", "full_page_writes": "on"}) as server:
            rows += _postgresql(folder, server)
        return [*rows, _vectors()]


def _not_run(peer: str, how: str) -> None:
    print(f"   {peer}: not run, it is not installed ({how})", flush=True)


def _child(engine: str, folder: Path, url: str, **more: str) -> dict[str, Any]:
    data = folder / f"data-{engine}"
    data.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIWRITER_")}
    environment = {
        **clean,
        "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
        "AIWRITER_DATA_DIR": str(data),
        "DATABASE_URL": url,
        **more,
    }
    command = [sys.executable, "-m", "tests.benchmarks._backup_database", engine]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{engine}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# ------------------------------------------------------------ SQLite
def _sqlite(folder: Path) -> list[Row]:
    path = folder / "app.sqlite3"
    found = _child("sqlite", folder, f"sqlite:///{path}")
    full, second = found["bytes"]
    rows = [
        Row(
            "SQLite, transactions while copied",
            found["tps"],
            found["tps_still"],
            "tx/s",
            "no copy",
            1 / 0.95,
            more_is_better=True,
        ),
        Row("SQLite, worst stall of a writer", found["stall"], 60, "ms", "limit", 1.0),
        Row("SQLite, bytes after 1 % changed and 1 % more", second, full, "B", "the first", 0.08),
    ]
    if importlib.util.find_spec("dbbackup") is None:
        _not_run("django-dbbackup", "pip install django-dbbackup==5.4.0")
        return rows
    out = folder / "dbbackup"
    out.mkdir()
    seconds = statistics.median(_dbbackup(path, out) for _ in range(ROUNDS))
    copy = max(out.iterdir(), key=lambda each: each.stat().st_size)
    return [
        *rows,
        Row("SQLite, a copy", found["copy"], seconds, "s", "django-dbbackup", 1.0),
        Row("SQLite, bytes of the second set", second, copy.stat().st_size, "B", "django-dbbackup, compressed", 1.0),
    ]


_DBBACKUP = """
import sys, django
from django.conf import settings
from django.core.management import call_command
database, folder = sys.argv[1:]
settings.configure(
    SECRET_KEY="bench", INSTALLED_APPS=["dbbackup"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
    STORAGES={"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
              "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
              "dbbackup": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder}}},
    DBBACKUP_CONNECTORS={"default": {"CONNECTOR": "dbbackup.db.sqlite.SqliteBackupConnector"}},
)
django.setup()
import time
begun = time.perf_counter()
call_command("dbbackup", compress=True, verbosity=0)
print(time.perf_counter() - begun)
"""


def _dbbackup(path: Path, out: Path) -> float:
    clean = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-c", _DBBACKUP, str(path), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean, cwd=out)
    return float(done.stdout.split()[-1])


# ------------------------------------------------------------ PostgreSQL
def _postgresql(folder: Path, server: Postgres) -> list[Row]:
    url = f"{server.url.rpartition('/')[0]}/bench"
    with psycopg.connect(server.url, autocommit=True) as opened:
        opened.execute("CREATE DATABASE bench")
    found = _child("postgresql", folder, url, AIWRITER_PG_BIN=str(server.programs))
    dump, pipe = statistics.median(found["dump"]), statistics.median(found["pipe"])
    first, second = found["bytes"]
    (whole, whole_bytes, _), (increment, increment_bytes, _) = found["bases"]
    rows = [
        Row("PostgreSQL, dump", dump, pipe, "s", "pg_dump | zstd -3", 1.25),
        Row("PostgreSQL, second dump, 1 % changed: bytes", second, first, "B", "the first", 0.15),
        Row("PostgreSQL, increment of a base", increment, whole, "s", "the whole base", 0.65),
        Row("PostgreSQL, increment of a base: bytes", increment_bytes, whole_bytes, "B", "the whole base", 0.15),
        Row("PostgreSQL, to a moment: the server answers", found["rto"], whole, "s", "the whole base", 4.5),
        Row("PostgreSQL, to a moment: loaded as the portal's", found["rto_dumped"], whole, "s", "the whole base"),
        Row("PostgreSQL, rows wrong at the moment", found["wrong"], max(1, found["marks"]), "", "rows there", 0.0),
        Row("PostgreSQL, 16 MiB of log stored", found["segment16"], 0.3, "s", "limit", 1.0),
    ]
    return rows + _restic(folder, url, server, second) + _pgbackrest(second, dump)


def _restic(folder: Path, url: str, server: Postgres, second: int) -> list[Row]:
    """What a dump through restic adds after the same change was undone and made anew: all of it, nearly."""
    if shutil.which("restic") is None:
        _not_run("restic", "apt install restic")
        return []
    environment = {
        **os.environ,
        "RESTIC_PASSWORD": "bench",
        "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
        "RESTIC_REPOSITORY": str(folder / "restic"),
    }
    subprocess.run(["restic", "init"], env=environment, check=True, capture_output=True)
    target = url.replace("postgres://", "postgresql://")
    pipe = f"{server.programs / 'pg_dump'} --format=plain '{target}' | restic backup --quiet --stdin"
    sizes = []
    for step in range(2):
        subprocess.run(["bash", "-o", "pipefail", "-c", pipe], env=environment, check=True, capture_output=True)
        sizes.append(sum(path.stat().st_size for path in (folder / "restic").rglob("*") if path.is_file()))
        if step == 0:
            _change_again(url)
    return [Row("PostgreSQL, second dump: bytes", second, sizes[1] - sizes[0], "B", "restic --stdin", 1.0)]


def _change_again(url: str) -> None:
    """As many other rows: the child changed the same ones already."""
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("UPDATE doc SET body = reverse(body) WHERE id % 100 = 7")


def _pgbackrest(second: int, dump: float) -> list[Row]:
    """A server of Debian with the same rows: its own programs are another version than ours, so bytes are compared, and times told."""
    if pgbackrest.install() is None:
        _not_run("pgBackRest", "apt install pgbackrest postgresql-15")
        return []
    count = MEGABYTES * 1_000_000 // (ROW_BYTES + 200)
    with pgbackrest.PgBackRest() as other:
        fill(other.server.url, count)
        begun = time.perf_counter()
        other.run("backup", "--type=full")
        whole = time.perf_counter() - begun
        change(other.server.url, count)
        other.run("backup", "--type=incr")
        added = other.info()[0]["backup"][-1]["info"]["repository"]["delta"]
    return [
        Row("PostgreSQL, first set", dump, whole, "s", "pgBackRest full, two processes"),
        Row("PostgreSQL, second set, 1 % changed: bytes", second, added, "B", "pgBackRest incr", 1.0),
    ]


# ------------------------------------------------------------ vectors
def _vectors() -> Row:
    """An index made anew from the database, against the same vectors added from memory."""
    from tests.benchmarks.retrieval import DIMENSION, _fill, _vectors
    from tests.lab.django import set_up

    settings = set_up()
    from apps.content.models import EmbeddingIndex
    from apps.content.retrieval import store, upkeep

    port = free_port()
    folder = settings.DATA_DIR / "chroma-bench-backup"
    command = [sys.executable, "-m", "apps.content.retrieval.chroma_server", "--path", str(folder), "--port", str(port)]
    chroma = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    settings.AIWRITER_CHROMA_URL = f"http://127.0.0.1:{port}"
    try:
        workspace = _fill(VECTORS, _vectors(VECTORS, seed=3))
        _answering()
        row = EmbeddingIndex.objects.get(workspace_id=workspace.pk)
        client = store.client()
        stored = list(upkeep._stored(row, None))
        begun = time.perf_counter()
        client.create("bench-bulk", metadata={"made": "by the benchmark"})
        for ids, sources, matrix in stored:
            client.add("bench-bulk", ids, matrix, sources)
        bulk = time.perf_counter() - begun
        begun = time.perf_counter()
        written = upkeep.rebuild(workspace.pk)
        ours = time.perf_counter() - begun
        if written != VECTORS:
            raise AssertionError(f"{written} vectors of {VECTORS} were written")
    finally:
        chroma.terminate()
        chroma.wait(20)
    what = f"vectors rebuilt, {DIMENSION} numbers each"
    return Row(what, VECTORS / ours, VECTORS / bulk, "/s", "added from memory", 1 / 0.8, more_is_better=True)


def _answering() -> None:
    from apps.content.retrieval import store
    from apps.content.retrieval.chroma import ChromaError

    for _ in range(300):
        try:
            store.client().heartbeat()
        except ChromaError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the vector store does not answer")
