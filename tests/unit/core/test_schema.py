"""Two versions on one database: what a migration may do, who may start, and who still fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, models
from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState
from django.db.utils import OperationalError

from aiwriter.core import schema, schema_rules

pytestmark = pytest.mark.django_db


def _migration(*operations: Any, **attributes: Any) -> Migration:
    migration = Migration("0002_next", "shop")
    migration.operations = list(operations)
    for name, value in attributes.items():
        setattr(migration, name, value)
    return migration


def _state() -> ProjectState:
    state = ProjectState()
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
        ("note", models.TextField(null=True)),
    ]
    state.add_model(ModelState("shop", "Thing", fields))
    return state


SAFE = [
    ops.AddField("thing", "colour", models.TextField(null=True)),
    ops.AddField("thing", "colour", models.TextField(db_default="red")),
    ops.AddIndex("thing", models.Index(fields=["name"], name="thing_name")),
    ops.AlterField("thing", "name", models.CharField(max_length=40)),
    ops.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))]),
]
UNSAFE = [
    ops.AddField("thing", "colour", models.TextField(default="red")),
    ops.RemoveField("thing", "note"),
    ops.RenameField("thing", "note", "remark"),
    ops.DeleteModel("Thing"),
    ops.AlterField("thing", "note", models.TextField()),
    ops.AlterField("thing", "name", models.CharField(max_length=5)),
    ops.AlterField("thing", "name", models.IntegerField()),
    ops.AlterField("thing", "name", models.CharField(max_length=20, unique=True)),
    ops.AddConstraint("thing", models.UniqueConstraint(fields=["name"], name="one_name")),
    ops.RunSQL("UPDATE shop_thing SET name = ''"),
]


@pytest.mark.parametrize("operation", SAFE, ids=lambda o: o.describe())
def test_what_the_version_before_can_live_with_passes(operation: Any) -> None:
    assert schema_rules.judge(_migration(operation), _state(), set()) == []


@pytest.mark.parametrize("operation", UNSAFE, ids=lambda o: o.describe())
def test_what_it_cannot_is_named_unless_it_waits_or_somebody_vouches(operation: Any) -> None:
    [problem] = schema_rules.judge(_migration(operation), _state(), set())
    assert operation.describe() in problem
    assert schema_rules.judge(_migration(operation, phase="contract"), _state(), set()) == []
    assert schema_rules.judge(_migration(operation, safe_for_previous="never filled"), _state(), set()) == []


def test_a_table_that_is_new_may_be_changed_at_will() -> None:
    made = ops.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))])
    more = ops.AddField("shelf", "width", models.IntegerField(default=1))
    assert schema_rules.judge(_migration(made, more), _state(), set()) == []


def test_a_phase_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="expand or contract"):
        schema.phase_of(_migration(phase="later"))


@pytest.fixture
def last() -> Iterator[tuple[str, str]]:
    """The last migration of an app, as if it had not been applied."""
    [key] = MigrationLoader(connection).graph.leaf_nodes("usersessions")
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(*key)
    yield key
    recorder.record_applied(*key)


@pytest.fixture
def contract(last: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The same, and it is one of those that wait."""
    loaded = MigrationLoader(None).disk_migrations[last]
    monkeypatch.setattr(type(loaded), "phase", "contract", raising=False)
    return last


class TestStart:
    def test_a_database_that_lacks_something_refuses_the_start(self, last: tuple[str, str]) -> None:
        problem = schema.start_problem()
        assert ".".join(last) in problem
        assert "migrate --phase expand" in problem

    def test_what_waits_for_the_end_of_the_version_before_does_not(self, contract: tuple[str, str]) -> None:
        assert schema.start_problem() == ""
        assert schema.standing().waiting == (contract,)

    def test_a_newer_database_starts_and_is_told_of(self, caplog: pytest.LogCaptureFixture) -> None:
        from apps.monitoring import health

        MigrationRecorder(connection).record_applied("monitoring", "9999_of_the_next_version")
        assert schema.start_problem() == ""
        assert "9999_of_the_next_version" in caplog.text
        found = health.migrations.run()
        assert (found.status, found.data) == ("ok", {"newer": 1})

    def test_the_names_are_read_without_the_migrations(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert schema._names_on_disk() == set(MigrationLoader(None).disk_migrations)
        monkeypatch.delattr(schema, "MigrationLoader", raising=True)
        monkeypatch.setattr(schema, "_names_on_disk", lambda: {("users", "0001_initial")})
        assert schema.standing().serves

    def test_no_database_is_left_to_the_probes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise OperationalError("no route")

        monkeypatch.setattr(schema, "standing", away)
        assert schema.start_problem() == ""


class TestPhases:
    def test_expand_stops_before_a_contract_migration(self, contract: tuple[str, str], capsys: Any) -> None:
        assert schema.expand_targets() == ([], [contract])
        call_command("migrate", phase="expand")
        assert ".".join(contract) in capsys.readouterr().out
        assert schema.standing().waiting == (contract,)

    def test_a_phase_of_one_app_is_refused(self) -> None:
        with pytest.raises(CommandError, match="whole database"):
            call_command("migrate", "monitoring", phase="expand")

    @pytest.mark.parametrize(("state", "tried"), [("55P03", 3), ("08006", 1)])
    def test_only_a_lock_is_asked_for_again(self, state: str, tried: int, monkeypatch: pytest.MonkeyPatch) -> None:
        from aiwriter.core.management.commands import migrate

        calls = []

        def locked(*args: Any, **options: Any) -> None:
            calls.append(options)
            cause = Exception()
            cause.sqlstate = state  # type: ignore[attr-defined]
            raise OperationalError("locked") from cause

        monkeypatch.setattr(migrate.Command, "_run", locked)
        monkeypatch.setattr(migrate.time, "sleep", lambda _: None)
        with pytest.raises((CommandError, OperationalError)):
            call_command("migrate", lock_tries=3)
        assert len(calls) == tried


class TestFit:
    def test_this_version_fits_its_own_database(self, capsys: Any) -> None:
        call_command("schema_fit")
        assert "fits" in capsys.readouterr().out

    def test_a_stricter_database_is_found(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE monitoring_heartbeat ADD COLUMN colour varchar(5) NOT NULL DEFAULT 'red'")
            cursor.execute("ALTER TABLE monitoring_heartbeat ADD COLUMN shape varchar(5) NULL")
            cursor.execute("ALTER TABLE monitoring_heartbeat RENAME COLUMN node TO machine")
        with pytest.raises(CommandError) as caught:
            call_command("schema_fit")
        told = str(caught.value)
        assert "monitoring_heartbeat.node is not there" in told
        assert "monitoring_heartbeat.machine must be given" in told
        assert "colour" not in told
        assert "shape" not in told
