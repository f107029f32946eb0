"""Watching costs at most 1.5 ms a request; a year of figures is read in 50 ms on SQLite; 1,000 checks and rules are judged a second.

The bounds are limits; `make bench P=observability` prints the same table.
"""

from __future__ import annotations

from tests.proofs.bench_core import within_bounds

PARTS = ("observability", "middleware")


def prove() -> str:
    """Run the benchmarks of watching."""
    return within_bounds(PARTS)
