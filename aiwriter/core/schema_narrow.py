"""Migrations that render the models which a step is about, and not every model there is.

Django keeps the models of its migrations rendered, and after each single change renders anew all that are connected with
the changed one. Everything is connected with people: an empty database took 5,800 renderings of 177 models, which were
three quarters of the processor's time, and the thirty changes of `users.0010_access` held their transaction for seconds.
What such a step does in the database depends on its own model and on the keys of those it refers to. So `migrate` renders
these, for each step by itself; for a step that may look at anything (code, SQL, a key that others refer to, what is not
listed here) all models are rendered, as Django does. The steps themselves are Django's, and so is the schema they make:
`tests/unit/core/test_schema_narrow.py` compares the two.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, cast

from django.db.migrations import Migration, operations
from django.db.migrations.state import ModelState, ProjectState, StateApps
from django.db.migrations.utils import field_is_referenced, resolve_relation
from django.db.transaction import atomic

from aiwriter.core.schema_tables import CreateTables

Key = tuple[str, str]

# By exact type: what is derived from one of these may do more, and then gets all models.
_OF_A_FIELD = (operations.AddField, operations.RemoveField, operations.AlterField)
_OF_A_MODEL = (
    operations.AddIndex,
    operations.RemoveIndex,
    operations.AddConstraint,
    operations.RemoveConstraint,
    operations.AlterUniqueTogether,
    operations.AlterModelOptions,
)
# These look at models only if what they run does.
_FREE = (operations.RunPython, operations.RunSQL)
# What the table of one that is only referred to has: the rest of its options names fields and managers.
_OPTIONS_OF_A_TABLE = ("db_table", "db_tablespace", "managed", "swappable")


class Later:
    """Stands for the rendered models between two migrations, and renders them if anybody does look.

    Without anything there the executor would render all of them before each migration.
    """

    def __init__(self, state: ProjectState) -> None:
        """Remember of what."""
        self._state = state

    @functools.cached_property
    def _rendered(self) -> StateApps:
        return StateApps(list(self._state.real_apps), self._state.models)

    def __getattr__(self, name: str) -> Any:
        """Whatever is asked for, of the real thing."""
        return getattr(self._rendered, name)


def narrowed(migration: Migration) -> None:
    """Have this migration, when it is applied, render what its steps need."""
    vars(migration)["apply"] = functools.partial(_apply, migration)


def _apply(migration: Migration, state: ProjectState, editor: Any, collect_sql: bool = False) -> ProjectState:
    """Do what `Migration.apply` does: for each step first the state, then the database."""
    if collect_sql:
        return Migration.apply(migration, state, editor, collect_sql)
    label = migration.app_label
    for operation in migration.operations:
        _let_go(state)
        before = state.clone()
        subjects = _subjects(before, label, operation)
        # Rendered before the state goes on: a renaming changes fields that both states share, and where SQLite makes a
        # table again, an altered column comes after those that were rendered before it.
        _render(before, subjects, operation)
        operation.state_forwards(label, state)
        _render(state, subjects, operation)
        # A migration outside of a transaction, whose step wants one.
        if not editor.atomic_migration and operation.atomic:
            with atomic(editor.connection.alias):
                operation.database_forwards(label, editor, before, state)
        else:
            operation.database_forwards(label, editor, before, state)
    _let_go(state)
    _put(state, Later(state))
    # Who wants the models of this state afterwards is to have them rendered as they are by then.
    state.is_delayed = True
    return state


def _let_go(state: ProjectState) -> None:
    # With nothing there to be kept up to date, a change of the state is a change of the state only.
    vars(state).pop("apps", None)


def _put(state: ProjectState, apps: StateApps | Later) -> None:
    vars(state)["apps"] = apps


def _render(state: ProjectState, subjects: set[Key] | None, operation: Any) -> None:
    if type(operation) in _FREE:
        apps: StateApps | Later = Later(state)
    elif subjects is None:
        apps = StateApps(list(state.real_apps), state.models)
    else:
        apps = _rendered(state, subjects)
    _put(state, apps)
    state.is_delayed = False


def _subjects(before: ProjectState, label: str, operation: Any) -> set[Key] | None:
    """The models a step is about; None when that cannot be told."""
    kind = type(operation)
    if kind is operations.CreateModel:
        return {(label, operation.name_lower)}
    if kind is CreateTables:
        return {(label, one.name_lower) for one in operation.operations}
    if kind not in _OF_A_FIELD + _OF_A_MODEL:
        return None
    key: Key = (label, getattr(operation, "model_name_lower", None) or operation.name_lower)
    if kind in _OF_A_FIELD:
        for field in (before.models[key].fields.get(operation.name), getattr(operation, "field", None)):
            # A table of its own, or a column whose type the columns of others follow.
            if field is not None and (
                field.many_to_many or (field.unique and _followed(before, key, operation, field))
            ):
                return None
    return {key}


def _followed(state: ProjectState, key: Key, operation: Any, field: Any) -> bool:
    return bool(field_is_referenced(state, key, (operation.name, field)))


def _rendered(state: ProjectState, subjects: set[Key]) -> StateApps:
    """The subjects as they are, and of those they refer to what a reference needs."""
    models = {key: state.models[key] for key in subjects if key in state.models}
    waiting = [target for model in models.values() for target in _targets(model)]
    while waiting:
        key = waiting.pop()
        if key not in models and key in state.models:
            models[key] = _bare(state.models[key])
            waiting += _targets(models[key])
    return StateApps(list(state.real_apps), cast("dict[Any, ModelState]", models))


def _targets(model: ModelState) -> Iterator[Key]:
    """Which models it refers to or is derived from."""
    for base in model.bases:
        if isinstance(base, str):
            label, _, name = base.lower().partition(".")
            yield label, name
    for field in model.fields.values():
        relation: Any = field.remote_field
        if relation:
            for remote in (relation.model, getattr(relation, "through", None)):
                if remote is not None:
                    yield resolve_relation(remote, model.app_label, model.name_lower)


def _bare(model: ModelState) -> ModelState:
    """A model without what it says about others, but with its key."""
    fields = {name: field for name, field in model.fields.items() if field.primary_key or not field.is_relation}
    options = {name: model.options[name] for name in _OPTIONS_OF_A_TABLE if name in model.options}
    return ModelState(model.app_label, model.name, cast(Any, fields), options, model.bases)
