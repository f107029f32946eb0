"""One consistent state of the database: taken, read, put into a set, and measured again after a restore."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from django.db import connection

from apps.backups.services import postgres, sqlite

if TYPE_CHECKING:
    from apps.backups.services.progress import Progress


class Snapshot(Protocol):
    """A state of the database that does not change any more."""

    engine: str
    version: str
    size: int
    capture: Mapping[str, Any]

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Read from the state."""
        ...

    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows and digest of every table; a digest does not depend on the order of the rows."""
        ...

    def write(self, writer: Any, progress: Progress) -> None:
        """Put it into a set."""
        ...


@contextlib.contextmanager
def snapshot(scratch: Path) -> Iterator[Snapshot]:
    """Take a snapshot of the portal's database.

    Args:
        scratch: an empty folder for what the engine needs meanwhile.

    Raises:
        AppError: it cannot be taken, with the remedy.
    """
    taken = postgres.snapshot(scratch) if connection.vendor == "postgresql" else sqlite.snapshot(scratch)
    with taken as state:
        yield state  # type: ignore[misc]


def heads(state: Snapshot) -> dict[str, str]:
    """The last migration of each app in a snapshot."""
    found: dict[str, str] = {}
    for app, name in state.rows("SELECT app, name FROM django_migrations ORDER BY id"):
        found[app] = max(found.get(app, ""), name)
    return found


def differences(expected: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What distinguishes two measurements, in words; empty when they are equal."""
    problems = [f"table {name} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"table {name} was not in the backup" for name in sorted(found.keys() - expected.keys())]
    for name in sorted(expected.keys() & found.keys()):
        before, after = expected[name], found[name]
        if before["rows"] != after["rows"]:
            problems.append(f"table {name} has {after['rows']} rows instead of {before['rows']}")
        elif before["digest"] != after["digest"]:
            problems.append(f"the rows of table {name} are not those of the backup")
    return problems
