"""The database: the snapshot itself, and what it must hold after a restore."""

from __future__ import annotations

from apps.backups.services.snapshots import heads
from apps.backups.services.sources import Collecting


def database(collecting: Collecting) -> None:
    """Measure every table of the snapshot, then put it into the set."""
    state = collecting.snapshot
    collecting.progress.phase("counting")
    tables = {name: dict(found) for name, found in state.tables().items()}
    collecting.facts["database"] = {
        "engine": state.engine,
        "version": state.version,
        "bytes": state.size,
        "tables": tables,
        "heads": heads(state),
    }
    rows = sum(found["rows"] for found in tables.values())
    collecting.progress.say(f"Snapshot of {len(tables)} tables with {rows:,} rows taken.")
    state.write(collecting.writer, collecting.progress)
