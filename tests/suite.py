"""Runs the tests against one database or both, with the servers that they need: `python -m tests.suite --database both`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import psutil
import psycopg

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

# What Linux keeps in memory.
MEMORY = "/dev/shm"
# Run once, with SQLite: the plugins' own tests touch no database, the browser's portals bring their own, delegates and
# sign-in providers are programs beside it, and who may ask what is decided in Python.
ONLY_ON_SQLITE = (
    "plugins",
    "tests/plugins/test_wrong_backends.py",
    "tests/e2e",
    "tests/web/test_permission_matrix.py",
    "tests/unit/backups/test_delegates.py",
    "tests/unit/core/test_starts.py",
    "tests/unit/users/test_single_sign_on.py",
)


def _migrate(environment: dict[str, str], folder: Path) -> threading.Thread:
    """Make one migrated database, which each worker copies: migrating takes seconds, and there are four workers.

    It is made while the workers collect their tests; they wait for the file `ready` (`tests/conftest.py`).

    Args:
        environment: of the tests; with PostgreSQL it has DATABASE_URL. Learns where the database is.
        folder: for a file of SQLite.

    Returns:
        who makes it.
    """
    place = {"AIWRITER_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "aiwriter.settings"}
    if server := environment.get("DATABASE_URL"):
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE migrated")
        place["DATABASE_URL"] = server.rpartition("/")[0] + "/migrated"
    command = [sys.executable, "manage.py", "migrate", "--no-input", "-v0"]
    migrating = {**environment, **place}

    def make() -> None:
        done = subprocess.run(command, env=migrating, check=False)
        (folder / "writing").write_text(str(done.returncode), encoding="ascii")
        (folder / "writing").replace(folder / "ready")

    environment["TESTS_MIGRATED"] = "migrated" if server else str(folder / "aiwriter.sqlite3")
    environment["TESTS_MIGRATED_READY"] = str(folder / "ready")
    thread = threading.Thread(target=make)
    thread.start()
    return thread


def _collect_once() -> None:
    """In a fresh checkout let one process rewrite the assertions of all tests: else every worker does, 11 s each."""
    if any((Path(__file__).parent / "__pycache__").glob("conftest*pytest*.pyc")):
        return
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-n", "0"]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


def _run(database: str, more: list[str], workers: int, collected: Future[None], output: IO[str] | None = None) -> int:
    """Start servers, run pytest on one database, stop servers.

    Args:
        database: "sqlite" or "postgres".
        more: arguments for pytest.
        workers: how many processes test at once.
        collected: is waited for before the workers start.
        output: where all is written; as it comes when left out.

    Returns:
        pytest's exit code.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_")}
    environment.pop("DATABASE_URL", None)
    environment.pop("REDIS_URL", None)
    # What one process has compiled the next ones only read: a third of what a worker does before its first test.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.monotonic()
    with ExitStack() as stack:
        if database == "postgres":
            server = stack.enter_context(Postgres())
            environment["DATABASE_URL"] = server.url
            # Where a server that a test starts may run as somebody else than root.
            environment["TESTS_PG_BIN"] = str(server.programs)
            environment["REDIS_URL"] = stack.enter_context(Redis()).url
            more = [*more, *(f"--ignore={path}" for path in ONLY_ON_SQLITE)]
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aiwriter-migrated-"))
        migrating = _migrate(environment, Path(folder))
        collected.result()
        command = [sys.executable, "-m", "pytest", "-n", str(workers), "--dist", "loadscope", "-q", *more]
        code = subprocess.run(command, env=environment, check=False, stdout=output, stderr=output).returncode
        migrating.join()
    print(f"== {database}: exit code {code} after {time.monotonic() - begun:.0f} s", flush=True)
    return code


@contextmanager
def _in_memory() -> Iterator[None]:
    """Have the run's temporary files in memory, where that has room: a disk costs a tenth of the processor's time.

    The servers' data, each worker's database and 5,000 folders are written once and thrown away. Whoever names a TMPDIR, or
    has less than 8 GB to spare, has them there as always.
    """
    try:
        room = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    except OSError:
        room = 0
    if "TMPDIR" in os.environ or room < 8 << 30:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="aiwriter-run-", dir=MEMORY) as folder:
        # As /tmp: a server that may not run as root has its folder in it.
        Path(folder).chmod(0o1777)
        os.environ["TMPDIR"], tempfile.tempdir = folder, None
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            tempfile.tempdir = None


def main() -> int:
    """Run what is asked for. Returns 0 when all is green, else pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), required=True)
    arguments, more = parser.parse_known_args()  # what is not ours is pytest's
    cores = os.cpu_count() or 2
    with _in_memory(), tempfile.TemporaryFile("w+") as told, ThreadPoolExecutor(2) as beside:
        collected = beside.submit(_collect_once)
        # Twice as many as there are cores: tests of killed processes, wrong backends and browsers mostly wait.
        if arguments.database != "both":
            print(f"== Tests on {arguments.database}", flush=True)
            return _run(arguments.database, more, 2 * cores, collected)
        # Side by side, with workers by their shares of the work: neither waits for the other's start or its last tests.
        print("== Tests on SQLite, and beside them on PostgreSQL, whose results are printed at the end", flush=True)
        on_postgres = beside.submit(_run, "postgres", more, cores, collected, told)
        codes = [_run("sqlite", more, 2 * cores, collected), on_postgres.result()]
        told.seek(0)
        print("== Tests on PostgreSQL\n" + told.read(), flush=True)
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
