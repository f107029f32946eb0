"""`migrate` renders few models, and does what Django's own way does: the same statements, the same state."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections, models, transaction
from django.db.migrations import operations as ops
from django.db.migrations.migration import Migration
from django.db.migrations.state import ModelState, ProjectState, StateApps

from aiwriter.core import schema_narrow
from aiwriter.core.management.commands.migrate import Command
from aiwriter.core.schema_tables import CreateTables

pytestmark = pytest.mark.django_db

_KEY = ("id", models.BigAutoField(primary_key=True))


def _to(model: str, **more: Any) -> Any:
    return models.ForeignKey(model, models.CASCADE, **{"related_name": "+", **more})


def _count(apps: Any, editor: Any) -> None:
    """A step in Python, which goes over relations that no step before it was about."""
    database = editor.connection.alias
    assert apps.get_model("shop", "Person")._meta.get_field("things").related_model is apps.get_model("shop", "Thing")
    assert str(apps.get_model("shop", "Thing").objects.using(database).filter(owner__name="x").query)


def _tables() -> list[Any]:
    """New each time: a renaming changes fields in place."""
    return [
        ops.CreateModel("Person", [_KEY, ("name", models.CharField(max_length=20, unique=True))]),
        ops.CreateModel("Tag", [("code", models.CharField(max_length=8, primary_key=True))]),
        CreateTables(
            [
                ops.CreateModel(
                    "Thing",
                    [
                        _KEY,
                        ("name", models.CharField(max_length=20)),
                        ("owner", _to("shop.Person", related_name="things")),
                        ("inside", _to("self", null=True)),
                        ("tags", models.ManyToManyField("shop.Tag")),
                    ],
                    {"indexes": [models.Index(fields=["name"], name="thing_name")]},
                ),
                ops.CreateModel(
                    "Sheet", [("thing", models.OneToOneField("shop.Thing", models.CASCADE, primary_key=True))]
                ),
            ]
        ),
        ops.CreateModel(
            "Gadget",
            [
                (
                    "thing_ptr",
                    models.OneToOneField(
                        "shop.Thing", models.CASCADE, parent_link=True, primary_key=True, serialize=False
                    ),
                ),
                ("volts", models.IntegerField()),
            ],
            bases=("shop.thing",),
        ),
        # Its key is somebody else's key, which is a key itself.
        ops.CreateModel("Note", [_KEY, ("sheet", _to("shop.Sheet")), ("of", _to("shop.Person", to_field="name"))]),
    ]


def _changes() -> list[Any]:
    """One of each kind at least."""
    return [
        ops.AddField("thing", "colour", models.CharField(max_length=5, null=True)),
        ops.AddField("thing", "sheet", _to("shop.Sheet", null=True)),
        ops.AddField("thing", "friends", models.ManyToManyField("shop.Person")),
        ops.AlterField("thing", "colour", models.CharField(max_length=9, default="red")),
        ops.AlterField(
            "thing", "name", models.CharField(max_length=30, help_text="Only what is said of it changes too.")
        ),
        ops.AlterField("thing", "owner", _to("shop.Person", null=True, related_name="things")),
        # The columns of others follow these two.
        ops.AlterField("tag", "code", models.CharField(max_length=12, primary_key=True)),
        ops.AlterField("person", "name", models.CharField(max_length=40, unique=True)),
        ops.AddIndex("note", models.Index(fields=["of"], name="note_of")),
        ops.AddConstraint("note", models.UniqueConstraint(fields=["sheet", "of"], name="note_once")),
        ops.AddConstraint("gadget", models.CheckConstraint(condition=models.Q(volts__lt=50), name="gadget_safe")),
        ops.AlterUniqueTogether("thing", {("owner", "name")}),
        ops.AlterModelOptions("thing", {"ordering": ["name"]}),
        ops.RunPython(_count, ops.RunPython.noop),
        ops.RunSQL("UPDATE shop_thing SET name = 'x'"),
        ops.SeparateDatabaseAndState(
            [ops.RunPython(_count)], [ops.AlterField("thing", "name", models.CharField(max_length=50))]
        ),
        ops.RemoveConstraint("note", "note_once"),
        ops.RemoveIndex("note", "note_of"),
        ops.RenameField("person", "name", "called"),
        ops.RenameModel("Note", "Remark"),
        ops.RemoveField("thing", "friends"),
        ops.RemoveField("thing", "sheet"),
        ops.DeleteModel("Remark"),
    ]


@contextmanager
def _empty(folder: Path) -> Iterator[Any]:
    """A database without the tables of the shop, which has none of them afterwards."""
    if connection.vendor == "postgresql":
        with transaction.atomic():
            yield connection
            transaction.set_rollback(True)
        return
    # SQLite changes no tables within the transaction of a test. So this one is beside it, by the same name.
    default = connections["default"]
    own = type(default)({**default.settings_dict, "NAME": str(folder / "shop.sqlite3")}, "default")
    try:
        yield own
    finally:
        own.close()
        (folder / "shop.sqlite3").unlink()


def _migrations() -> list[Migration]:
    made = []
    for number, operations in enumerate((_tables(), _changes())):
        migration = Migration(f"000{number}", "shop")
        migration.operations = operations
        made.append(migration)
    return made


def _statements(folder: Path, *, narrow: bool) -> tuple[list[str], ProjectState]:
    """What the migrations ask of an empty database, and the state they end with."""
    asked: list[str] = []

    def keep(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if "SAVEPOINT" not in sql:  # Their names are never the same.
            asked.append(f"{sql} {params}")
        return execute(sql, params, many, context)

    state = ProjectState()
    with _empty(folder) as database, database.execute_wrapper(keep):
        for migration in _migrations():
            if narrow:
                schema_narrow.narrowed(migration)
            with database.schema_editor(atomic=True) as editor:
                state = migration.apply(state, editor)
    return asked, state


def test_it_asks_the_database_for_what_django_asks(tmp_path: Path) -> None:
    expected, state = _statements(tmp_path, narrow=False)
    found, narrow_state = _statements(tmp_path, narrow=True)
    assert found == expected
    assert len([one for one in found if one.startswith(("CREATE TABLE", "ALTER TABLE"))]) > 15
    assert narrow_state == state


def test_whoever_looks_afterwards_finds_all_models(tmp_path: Path) -> None:
    _, state = _statements(tmp_path, narrow=True)
    related = state.apps.get_model("shop", "Thing")._meta.get_field("owner").related_model
    assert related is state.apps.get_model("shop", "Person")
    # What Django does with a state that has been rendered goes on from there.
    after = state.clone()
    after.add_model(ModelState("shop", "Shelf", [_KEY, ("thing", _to("shop.Thing"))]))
    assert isinstance(after.apps, StateApps)
    assert after.apps.get_model("shop", "Shelf")._meta.get_field("thing").related_model.__name__ == "Thing"
    # And so does `migrate`, which has them rendered once more for what follows a migration.
    state.clear_delayed_apps_cache()
    assert isinstance(state.apps, StateApps)


def _editor(*, atomic_migration: bool) -> Any:
    return SimpleNamespace(atomic_migration=atomic_migration, connection=connection)


def _both(state: ProjectState, step: Any) -> tuple[ProjectState, ProjectState]:
    """The states that a step gets."""
    given: list[ProjectState] = []
    migration = Migration("0001", "shop")
    migration.operations = [step]
    schema_narrow.narrowed(migration)
    # As they are while the step runs: afterwards nothing rendered is kept.
    step.database_forwards = lambda label, editor, before, after: given.extend([copy.copy(before), copy.copy(after)])
    migration.apply(state.clone(), _editor(atomic_migration=True))
    before, after = given
    return before, after


def test_a_step_renders_its_own_model_and_whom_it_refers_to(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ProjectState()
    state.add_model(ModelState("shop", "Person", [_KEY, ("likes", _to("shop.Thing0", null=True))]))
    for number in range(20):
        state.add_model(ModelState("shop", f"Thing{number}", [_KEY, ("owner", _to("shop.Person", related_name=None))]))
    step = ops.AddField("thing7", "inside", _to("shop.Thing8", null=True, related_name=None))
    rendered: list[str] = []
    render = ModelState.render

    def keep(model: ModelState, apps: Any) -> Any:
        rendered.append(model.name)
        return render(model, apps)

    monkeypatch.setattr(ModelState, "render", keep)
    _, after = _both(state, step)
    assert sorted(rendered) == ["Person", "Person", "Thing7", "Thing7", "Thing8"]
    # Of those it only refers to nothing but the table is there.
    assert [field.name for field in after.apps.get_model("shop", "Person")._meta.get_fields()] == ["thing7", "id"]


def test_what_may_look_at_anything_gets_all_models() -> None:
    class Own(ops.AddField):
        """Does who knows what."""

    state = ProjectState()
    state.add_model(ModelState("shop", "Person", [_KEY]))
    state.add_model(ModelState("shop", "Thing", [_KEY, ("owner", _to("shop.Person"))]))
    for step in (
        Own("person", "age", models.IntegerField(null=True)),
        ops.AlterField("person", "id", models.UUIDField(primary_key=True)),
        ops.RenameModel("Person", "Human"),
    ):
        before, after = _both(state, step)
        assert after.apps.get_models()
        assert before.apps.get_model("shop", "Thing")._meta.get_field("owner")


@pytest.mark.parametrize("wanted", [True, False])
def test_outside_of_a_transaction_a_step_has_its_own_if_it_asks(wanted: bool) -> None:
    depths: list[int] = []
    editor = _editor(atomic_migration=False)
    for narrow in (False, True):
        migration = Migration("0001", "shop")
        migration.atomic = False
        migration.operations = [ops.RunPython(lambda *_: depths.append(len(connection.savepoint_ids)), atomic=wanted)]
        if narrow:
            schema_narrow.narrowed(migration)
        migration.apply(ProjectState(), editor)
    assert depths[0] == depths[1] == len(connection.savepoint_ids) + wanted


def test_the_command_has_it_so_and_leaves_alone_what_is_only_recorded() -> None:
    command = Command()
    command.verbosity = 0
    applied, recorded = _migrations()
    command.migration_progress_callback("apply_start", applied)
    command.migration_progress_callback("apply_start", recorded, fake=True)
    assert "apply" in vars(applied)
    assert "apply" not in vars(recorded)


def test_what_is_printed_as_sql_is_django_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    migration, _ = _migrations()
    schema_narrow.narrowed(migration)
    monkeypatch.setattr(Migration, "apply", lambda *given: given)
    state, editor = ProjectState(), object()
    assert migration.apply(state, editor, collect_sql=True) == (migration, state, editor, True)
