"""Runs the tests against one database, with the servers that it needs: `python -m tests.suite --database postgres`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import ExitStack

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

# The plugins' own tests touch no database, and the browser's portals bring their own, so they run once, with SQLite.
WITHOUT_DATABASE = ("plugins", "tests/plugins/test_wrong_backends.py", "tests/e2e")


def main() -> int:
    """Start servers, run pytest, stop servers. Returns pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), required=True)
    arguments, more = parser.parse_known_args()  # what is not ours is pytest's
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_")}
    environment.pop("DATABASE_URL", None)
    environment.pop("REDIS_URL", None)
    with ExitStack() as stack:
        if arguments.database == "postgres":
            environment["DATABASE_URL"] = stack.enter_context(Postgres()).url
            environment["REDIS_URL"] = stack.enter_context(Redis()).url
        print(f"== Tests on {arguments.database}", flush=True)
        begun = time.monotonic()
        if arguments.database == "postgres":
            more += [f"--ignore={path}" for path in WITHOUT_DATABASE]
        command = [sys.executable, "-m", "pytest", "-n", str(max(2, os.cpu_count() or 2)), "--dist", "worksteal", "-q"]
        code = subprocess.run([*command, *more], env=environment, check=False).returncode
        print(f"== {arguments.database}: exit code {code} after {time.monotonic() - begun:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
