"""The benchmark's table is complete and every row is within its bound.

The bounds are ratios against a peer or limit in the same run; `make bench` prints the same table.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from tests.benchmarks import Row, table
from tests.proofs import expect

PARTS = ("start", "generation", "ingest", "retrieval", "lists")


def prove() -> str:
    """Run all benchmarks of the core."""
    return within_bounds(PARTS)


def within_bounds(parts: Sequence[str]) -> str:
    """Run benchmarks, print their table, and compare.

    Raises:
        Failed: a row is over its bound.
    """
    rows: list[Row] = []
    for name in parts:
        print(f"  {name}", flush=True)
        found = importlib.import_module(f"tests.benchmarks.{name}").measure()
        expect(found, f"the benchmark {name} measured nothing")
        rows += found
    print(table(rows), flush=True)
    over = [f"{row.what}: {row.ratio:.2f}" for row in rows if not row.holds]
    expect(not over, f"over their bounds: {'; '.join(over)}")
    return f"{len(rows)} rows within their bounds"
