"""Lists of 100,000 documents against lists of ten: the same number of queries, and at most twice the time."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.benchmarks import Row
from tests.lab.portal import ROOT

FEW, MANY = 10, 100_000
ROUNDS, WARM = 25, 3


class Asker:
    """A process with a database of its own, asked one list at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.names: list[str] = self._read()

    def ask(self, name: str) -> tuple[float, int]:
        """Milliseconds and queries of one list."""
        assert self._process.stdin
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        spent, queries = self._read()
        return spent, queries

    def _read(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process has ended; its error stands above")
        return json.loads(line)


@contextmanager
def _asker(size: int) -> Iterator[Asker]:
    with tempfile.TemporaryDirectory(prefix="aiwriter-bench-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_") and k != "DATABASE_URL"}
        environment |= {
            "AIWRITER_DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks._bare.settings",
            "AIWRITER_ALLOWED_HOSTS": "testserver",
            # Requests are counted all the same; the limit alone is out of the way.
            "AIWRITER_API_USER_RATE": "1000000",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks._bare.many", str(size)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Asker(process)
        finally:
            process.terminate()
            process.wait(20)


def measure() -> list[Row]:
    """Time and number of queries of each list."""
    rows = []
    with ExitStack() as stack:
        many, few = stack.enter_context(_asker(MANY)), stack.enter_context(_asker(FEW))
        for name in many.names:
            times: dict[int, list[float]] = {MANY: [], FEW: []}
            queries: dict[int, int] = {}
            for number in range(ROUNDS + WARM):
                for size, asker in ((MANY, many), (FEW, few)):
                    spent, queries[size] = asker.ask(name)
                    if number >= WARM:
                        times[size].append(spent)
            what, against = f"{name}: {MANY:,} documents against {FEW}", f"{FEW} documents"
            ours, theirs = statistics.median(times[MANY]), statistics.median(times[FEW])
            rows.append(Row(what, ours, theirs, "ms", against, 2.0))
            rows.append(Row(f"{what}, queries", queries[MANY], queries[FEW], "", against, 1.0))
    return rows
