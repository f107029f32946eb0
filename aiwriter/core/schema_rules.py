"""What a migration of the expand phase may do: nothing that the version before, which still serves, could not live with.

That version inserts rows without the new columns, and names every column that it knows. So a column may come when the
database fills it by itself, and may not go, be renamed, or become stricter. What reads or rewrites data is for a person
to judge: `safe_for_previous = "why"` in the migration says that somebody did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from aiwriter.core.schema import CONTRACT, EXPAND, Key, phase_of

_TAKES_AWAY = (ops.RemoveField, ops.DeleteModel, ops.RenameField, ops.RenameModel, ops.AlterModelTable)
_BY_HAND = (ops.RunPython, ops.RunSQL)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a migration, and what to do."""

    migration: Key
    text: str

    def __str__(self) -> str:
        return f"{self.migration[0]}.{self.migration[1]}: {self.text}"


def heads() -> dict[str, str]:
    """The last migration of each app of the portal's own, as they stand in the code."""
    loader = MigrationLoader(None)
    return {app: name for app, name in sorted(loader.graph.leaf_nodes()) if _is_ours(loader, (app, name))}


def problems(released: dict[str, str]) -> list[Problem]:
    """Judge every migration of the portal's own that came after a release.

    Args:
        released: the heads of that release.
    """
    loader = MigrationLoader(None)
    graph = loader.graph
    # What stands for several, that a release had one by one, makes nothing new.
    stands_for = {old: key for key, squashed in loader.replacements.items() for old in squashed.replaces}
    old: set[Key] = set()
    for app, name in released.items():
        head = stands_for.get((app, name), (app, name))
        if head in graph.nodes:
            old.update(graph.forwards_plan(head))
    new_models: set[tuple[str, str]] = set()
    found: list[Problem] = []
    plan: list[Key] = []
    for leaf in sorted(graph.leaf_nodes()):
        plan += [key for key in graph.forwards_plan(leaf) if key not in plan]
    state = ProjectState(real_apps=loader.unmigrated_apps)
    for key in plan:
        migration = graph.nodes[key]
        if key in old or not _is_ours(loader, key):
            state = migration.mutate_state(state, preserve=False)
            continue
        if phase_of(migration) == EXPAND:
            found += _behind_contract(loader, old, key)
        found += [Problem(key, text) for text in judge(migration, state, new_models)]
        state = migration.mutate_state(state, preserve=False)
    return found


def _is_ours(loader: MigrationLoader, key: Key) -> bool:
    return bool(loader.disk_migrations[key].__module__.startswith("apps."))


def _behind_contract(loader: MigrationLoader, old: set[Key], key: Key) -> list[Problem]:
    before = [
        step
        for step in loader.graph.forwards_plan(key)
        if step != key and step not in old and phase_of(loader.graph.nodes[step]) == CONTRACT
    ]
    if not before:
        return []
    name = ".".join(before[0])
    return [
        Problem(key, f"stands behind the contract migration {name}, so it could not run before it. Put it in front.")
    ]


def judge(migration: Migration, state: ProjectState, new_models: set[tuple[str, str]]) -> list[str]:
    if phase_of(migration) == CONTRACT:
        return []
    reason = getattr(migration, "safe_for_previous", "")
    found: list[str] = []
    current = state.clone()
    for operation in _flat(migration.operations):
        if isinstance(operation, ops.CreateModel):
            new_models.add((migration.app_label, operation.name_lower))
        elif not reason and not _is_new(migration, operation, new_models):
            problem = _judge_operation(operation, current, migration.app_label)
            if problem:
                found.append(problem)
        operation.state_forwards(migration.app_label, current)
    return found


def _flat(operations: Any) -> list[Operation]:
    flat: list[Operation] = []
    for operation in operations:
        if isinstance(operation, ops.SeparateDatabaseAndState):
            flat += _flat(operation.database_operations)
        else:
            flat.append(operation)
    return flat


def _is_new(migration: Migration, operation: Operation, new_models: set[tuple[str, str]]) -> bool:
    """Whether it is about a table that the version before does not know."""
    name = getattr(operation, "model_name_lower", None) or getattr(operation, "name_lower", None)
    return (migration.app_label, str(name)) in new_models


def _judge_operation(operation: Operation, state: ProjectState, app: str) -> str:
    what = operation.describe()
    if isinstance(operation, _TAKES_AWAY):
        return f'"{what}": the version before still uses it. Set phase = "contract" in a migration of its own.'
    if isinstance(operation, _BY_HAND):
        return f'"{what}": say in safe_for_previous why the version before can go on beside it, or make it a contract.'
    if isinstance(operation, ops.AddField):
        return _judge_column(what, operation.field)
    if isinstance(operation, ops.AlterField):
        before = state.models[app, operation.model_name_lower].fields[operation.name_lower]
        return _judge_change(what, before, operation.field)
    if isinstance(operation, ops.AddConstraint | ops.AlterUniqueTogether):
        return f'"{what}": rows that the version before writes may break it. Make it a contract, or say why not.'
    return ""


def _judge_column(what: str, field: Any) -> str:
    if field.many_to_many:
        return ""
    if not field.null and not field.has_db_default():
        return f'"{what}": the version before inserts rows without it. Give it null=True or db_default.'
    if field.unique:
        return f'"{what}": unique, so a filled default meets itself. Add it with null=True.' if not field.null else ""
    return ""


def _judge_change(what: str, before: Any, after: Any) -> str:
    if before.many_to_many or after.many_to_many:
        return ""
    if before.null and not after.null:
        return f'"{what}": the version before still writes NULL. Set phase = "contract".'
    if after.unique and not before.unique:
        return f'"{what}": the version before may write the same value twice. Set phase = "contract".'
    old_length, new_length = (getattr(field, "max_length", None) for field in (before, after))
    if new_length is not None and (old_length is None or new_length < old_length):
        return f'"{what}": the version before may write longer values. Set phase = "contract".'
    if before.get_internal_type() != after.get_internal_type() and not (
        before.get_internal_type() == "CharField" and after.get_internal_type() == "TextField"
    ):
        return f'"{what}": another type of column. Add a new column instead, and take the old one away in a contract.'
    return ""
