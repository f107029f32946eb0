"""Backups are within their bounds: beside tar with zstd, the servers' own programs, restic, borg, pgBackRest and django-dbbackup.

Sixteen measures, and no row of files slower than restic or borg. The bounds are ratios against a peer or limit in the same run; a
peer that is not installed is named as not run. `make bench P="backup backup_databases"` prints the same table.
"""

from __future__ import annotations

from tests.proofs.bench_core import within_bounds

PARTS = ("backup", "backup_databases")


def prove() -> str:
    """Run the benchmarks of backups."""
    return within_bounds(PARTS)
