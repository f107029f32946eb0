"""All tests pass on SQLite and on PostgreSQL with a Redis-protocol server, in parallel, without a flake.

RUNS=n changes the number of runs (5).
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from tests.proofs import Failed, expect

LIMIT_SECONDS = 600


def prove() -> str:
    """Run `make test` several times; each must be green and short."""
    runs = int(os.environ.get("RUNS", "5"))
    seconds: list[float] = []
    tests: set[int] = set()
    for number in range(1, runs + 1):
        begun = time.monotonic()
        done = subprocess.run(["make", "test"], capture_output=True, text=True, check=False)
        seconds.append(time.monotonic() - begun)
        passed = [int(found) for found in re.findall(r"(\d+) passed", done.stdout)]
        print(f"  run {number}: exit code {done.returncode}, {passed} passed, {seconds[-1]:.0f} s", flush=True)
        if done.returncode:
            said = Path(tempfile.mkdtemp(prefix="tests-both-databases-")) / f"run-{number}.log"
            said.write_text(done.stdout + done.stderr, encoding="utf-8")
            raise Failed(f"run {number} failed, all of it is in {said}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
        expect(len(passed) == 2 and min(passed) > 0, f"run {number} did not run tests on both databases")
        expect(seconds[-1] <= LIMIT_SECONDS, f"run {number} took {seconds[-1]:.0f} s, the limit is {LIMIT_SECONDS} s")
        tests.update(passed)
    return f"{runs} runs green, {min(tests)} to {max(tests)} tests a database, slowest {max(seconds):.0f} s"
