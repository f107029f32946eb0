"""What the database has against what this code needs: the phases of migrations, and who may start beside which schema.

A roll-out has two versions on one database. So a migration belongs to a phase: `expand` (the default) may run while the
version before still serves; a migration that takes something away says `phase = "contract"` and waits until that version
has gone. Code may stand before a database that is ahead of it, otherwise no roll-out could be taken back; it may not
stand before one that lacks what it needs.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import pkgutil
from dataclasses import dataclass

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import DatabaseError

log = logging.getLogger(__name__)
Key = tuple[str, str]
EXPAND, CONTRACT = "expand", "contract"


def phase_of(migration: Migration) -> str:
    """The phase that a migration names, or "expand"."""
    phase: str = getattr(migration, "phase", EXPAND)
    if phase not in (EXPAND, CONTRACT):
        raise ValueError(f"{migration} has the phase '{phase}'. Write expand or contract.")
    return phase


@dataclass(frozen=True, slots=True)
class Standing:
    """How the database stands to this code.

    Args:
        missing: not applied, and needed before this version serves.
        waiting: not applied, and not needed: contract migrations, and what stands behind them.
        newer: applied by a version that is ahead of this one.
    """

    missing: tuple[Key, ...]
    waiting: tuple[Key, ...]
    newer: tuple[Key, ...]

    @property
    def serves(self) -> bool:
        """Whether this code can work on this database."""
        return not self.missing


def standing() -> Standing:
    """Read it.

    Raises:
        DatabaseError: the database does not answer.
    """
    known = _names_on_disk()
    labels = {app for app, _ in known}
    applied = set(MigrationRecorder(connection).applied_migrations())
    if known <= applied:
        # As nearly always; to import them all takes 9 MB, in every process of the portal.
        return Standing((), (), tuple(sorted(key for key in applied - known if key[0] in labels)))
    loader = MigrationLoader(connection)
    applied = set(loader.applied_migrations or {})
    missing: list[Key] = []
    waiting: list[Key] = []
    for key in sorted(loader.graph.nodes):
        if key not in applied:
            (waiting if phase_of(loader.graph.nodes[key]) == CONTRACT else missing).append(key)
    newer = tuple(sorted(key for key in applied - known if key[0] in labels))
    return Standing(tuple(missing), tuple(waiting), newer)


def _names_on_disk() -> set[Key]:
    """The migrations of all apps by the names of their files."""
    found: set[Key] = set()
    for config in apps.get_app_configs():
        name, _ = MigrationLoader.migrations_module(config.label)
        if name is None or importlib.util.find_spec(name) is None:
            continue
        folder = importlib.import_module(name).__path__
        modules = (module.name for module in pkgutil.iter_modules(folder) if not module.ispkg)
        found |= {(config.label, module) for module in modules if module[0] not in "_~"}
    return found


def expand_targets() -> tuple[list[Key], list[Key]]:
    """What `migrate --phase expand` goes to: the last migration of each app that no contract migration stands before.

    Returns:
        the targets of the apps that have something to do, and the migrations that are held back.
    """
    loader = MigrationLoader(connection)
    applied = set(loader.applied_migrations or {})
    graph = loader.graph
    open_keys = {
        key
        for key in graph.nodes
        if not any(step not in applied and phase_of(graph.nodes[step]) == CONTRACT for step in graph.forwards_plan(key))
    }
    held_back = sorted(key for key in graph.nodes if key not in open_keys and key not in applied)
    targets = []
    for key in sorted(open_keys - applied):
        children = {child.key for child in graph.node_map[key].children}
        if not any(child[0] == key[0] and child in open_keys for child in children):
            targets.append(key)
    return targets, held_back


def start_problem() -> str:
    """Why a process must not start on this database; "" when it may.

    People restart before they migrate, and start an older version after they did. The first would answer with errors;
    the second is what taking back a roll-out means, so it starts and only says so.
    """
    try:
        found = standing()
    except DatabaseError:
        # No database: `/readyz` says so better, and goes on asking.
        return ""
    if found.missing:
        return (
            f"The database lacks {len(found.missing)} migrations that this version needs: {named(found.missing)}. "
            "Run `manage.py migrate --phase expand`, then start again."
        )
    if found.newer:
        log.warning("the database is ahead of this version: %s", named(found.newer))
    return ""


def named(keys: tuple[Key, ...] | list[Key], most: int = 5) -> str:
    """The first names, as people write them."""
    return ", ".join(f"{app}.{name}" for app, name in keys[:most]) + (" …" if len(keys) > most else "")
