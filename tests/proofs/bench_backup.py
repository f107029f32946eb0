"""Backups are within their bounds: beside tar with zstd, and faster than restic and borg on every row of files.

The bounds are ratios against a peer or limit in the same run; `make bench P=backup` prints the same table.
"""

from __future__ import annotations

from tests.proofs.bench_core import within_bounds

PARTS = ("backup",)


def prove() -> str:
    """Run the benchmarks of backups."""
    return within_bounds(PARTS)
