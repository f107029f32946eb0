"""Migrations that the version before could not live with are refused before they run; one that waits for a lock stops nobody.

Seven reference migrations are tried on a copy, each with the code before against it; then, on PostgreSQL, a column is added
while somebody holds the table: readers wait at most half a second.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import psycopg

from tests.lab.rollout import Host
from tests.proofs import expect
from tests.servers.postgres import Postgres

LONGEST_READ = 0.5
HELD_SECONDS = 3.0
_TABLE = '"heartbeat"'
REFERENCE: list[tuple[str, bool, str]] = [
    ("nullable column", True, f'migrations.AddField({_TABLE}, "lab", models.TextField(null=True))'),
    (
        "required column, filled by Python",
        False,
        f'migrations.AddField({_TABLE}, "lab", models.TextField(default="x"))',
    ),
    (
        "required column, filled by the database",
        True,
        f'migrations.AddField({_TABLE}, "lab", models.TextField(db_default="x"))',
    ),
    ("index", True, f'migrations.AddIndex({_TABLE}, models.Index(fields=["node"], name="lab_index"))'),
    ("new table", True, 'migrations.CreateModel("Lab", [("id", models.BigAutoField(primary_key=True))])'),
    ("column removed", False, f'migrations.RemoveField({_TABLE}, "node")'),
    ("column renamed", False, f'migrations.RenameField({_TABLE}, "beat_at", "beaten_at")'),
]


def prove() -> str:
    """Rehearse each, then wait for a lock."""
    with Host("haproxy", roles=()) as host:
        host.release("1.0")
        host.manage("1.0", "migrate", "--verbosity", "0")
        blocked = 0
        for number, (name, allowed, operation) in enumerate(REFERENCE):
            version = f"2.{number}"
            host.release(version, migration=f"    operations = [{operation}]")
            done = host.manage(version, "rehearse_migrations", "--previous", str(host.code("1.0")), check=False)
            passed = done.returncode == 0
            print(f"  {name}: {'passes' if passed else 'refused'}", flush=True)
            expect(passed == allowed, f"{name}: {done.stdout}{done.stderr[-1500:]}")
            blocked += not passed
        longest, reads, seconds = _lock(host)
    expect(longest <= LONGEST_READ, f"a reader waited {longest:.2f} s")
    return (
        f"{blocked} of {len(REFERENCE)} migrations refused, the other {len(REFERENCE) - blocked} pass; behind a lock held for "
        f"{HELD_SECONDS:.0f} s a column came after {seconds:.1f} s, and of {reads} reads the longest took {longest:.2f} s"
    )


def _lock(host: Host) -> tuple[float, int, float]:
    with Postgres() as server:
        url = server.url
        host.manage("1.0", "migrate", "--verbosity", "0", database=url)
        over, times = threading.Event(), []

        def read() -> None:
            with psycopg.connect(url, autocommit=True) as reader:
                while not over.is_set():
                    begun = time.monotonic()
                    reader.execute("SELECT count(*) FROM monitoring_heartbeat").fetchone()
                    times.append(time.monotonic() - begun)
                    time.sleep(0.02)

        with psycopg.connect(url) as holder:
            holder.execute("SELECT count(*) FROM monitoring_heartbeat").fetchone()
            reader = threading.Thread(target=read)
            reader.start()
            variables = {**host.variables(), "DATABASE_URL": url}
            begun = time.monotonic()
            migrating = subprocess.Popen(
                [sys.executable, "manage.py", "migrate", "--phase", "expand", "--verbosity", "0"],
                cwd=host.code("2.0"),
                env=variables,
            )
            # Begins to ask for the lock after its own start.
            time.sleep(HELD_SECONDS + 5)
            expect(migrating.poll() is None, "the migration did not wait for the lock")
            holder.rollback()
        code = migrating.wait(120)
        over.set()
        reader.join()
        expect(code == 0, f"the migration ended with code {code}")
        return max(times), len(times), time.monotonic() - begun
