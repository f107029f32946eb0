"""Lists of 100,000 documents against lists of ten: the same number of queries, and at most twice the time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from tests.benchmarks import Row
from tests.lab.portal import ROOT

FEW, MANY = 10, 100_000


def _figures(size: int) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="aiwriter-bench-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_") and k != "DATABASE_URL"}
        environment |= {
            "AIWRITER_DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks._bare.settings",
            "AIWRITER_ALLOWED_HOSTS": "testserver",
            # Requests are counted all the same; the limit alone is out of the way.
            "AIWRITER_API_USER_RATE": "1000000",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks._bare.many", str(size)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        found: dict[str, list[float]] = json.loads(done.stdout.strip().splitlines()[-1])
        return found


def measure() -> list[Row]:
    """Time and number of queries of each list."""
    few, many = _figures(FEW), _figures(MANY)
    rows = []
    for name in many:
        what = f"{name}: {MANY:,} documents against {FEW}"
        rows.append(Row(what, many[name][0], few[name][0], "ms", f"{FEW} documents", 2.0))
        rows.append(Row(f"{what}, queries", many[name][1], few[name][1], "", f"{FEW} documents", 1.0))
    return rows
