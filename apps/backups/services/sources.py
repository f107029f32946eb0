"""What a source of `BACKUP_SOURCES` is given, and how the list is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from apps.backups.services.progress import Progress
from apps.backups.services.snapshots import Snapshot


@dataclass
class Collecting:
    """A set that is being written.

    Args:
        writer: the engine's writer of the set.
        snapshot: the state of the database that the set shows. Everything is read from it, never from the live tables.
        progress: phases, log, stop.
        scratch: a folder for temporary files.
        facts: goes into the manifest, by the source's name.
        missing: what could not be read; it makes the set incomplete.
    """

    writer: Any
    snapshot: Snapshot
    progress: Progress
    scratch: Path
    facts: dict[str, Any] = field(default_factory=dict)
    missing: list[dict[str, str]] = field(default_factory=list)


Source = Callable[[Collecting], None]


def collect(collecting: Collecting) -> None:
    """Let every source add its part, in the order of the setting."""
    for path in settings.BACKUP_SOURCES:
        source: Source = import_string(path)
        source(collecting)
