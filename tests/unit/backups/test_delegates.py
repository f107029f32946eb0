"""Backups of other tools: asked with the real tools where they are installed, judged, and drilled."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from aiwriter.core.errors import InvalidInput
from apps.backups.models import Delegate, Drill
from apps.backups.selectors.status import present_status
from apps.backups.services import delegate_drills, delegate_tools, delegates, schedules
from apps.backups.services.working import carry_out
from apps.users.models import Notification
from tests.factories.users import SETUP
from tests.people import People
from tests.servers import pgbackrest
from tests.servers.pgbackrest import STANZA, PgBackRest

HERE = pytest.mark.skipif(
    pgbackrest.install() is None, reason="pgBackRest and a server that it knows are not installed"
)


def watched(**values: Any) -> Delegate:
    """What is watched."""
    given = {"name": "Nightly", "tool": "cnpg", "source": "portal", "config": "/nowhere.json", **values}
    return delegates.create_delegate(actor=SETUP, **given)


def told(tmp_path: Path, *backups: dict[str, Any]) -> str:
    """A list of backups as the Kubernetes API gives it."""
    items = [
        {"metadata": {"name": f"b-{number}"}, "spec": {"cluster": {"name": "portal"}}, "status": status}
        for number, status in enumerate(backups)
    ]
    items.append({"metadata": {"name": "x"}, "spec": {"cluster": {"name": "another"}}, "status": {"phase": "failed"}})
    path = tmp_path / "backups.json"
    path.write_text(json.dumps({"kind": "BackupList", "items": items}))
    return str(path)


def ago(hours: float) -> str:
    """A time as Kubernetes writes it."""
    return (timezone.now() - dt.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.django_db
def test_what_is_overdue_or_failed_is_told_once_and_counts_for_the_check(people: People, tmp_path: Path) -> None:
    otto = people.otto
    good = {"phase": "completed", "stoppedAt": ago(2), "method": "barmanObjectStore"}
    row = delegates.look(watched(config=told(tmp_path, good, {"phase": "completed", "stoppedAt": ago(30)})))
    assert (row.state, len(row.sets), row.problem) == ("ok", 2, "")
    assert row.since is not None
    assert row.newest_at is not None
    assert row.newest_at - row.since > dt.timedelta(hours=27)
    assert not any(problem.key == "delegate" for problem in present_status().problems)

    later = timezone.now() + dt.timedelta(hours=25)
    for _ in range(2):
        row = delegates.look(row, later)
        assert row.state == "overdue"
    assert "27.0 hours old, 26 are allowed" in row.problem
    problems = [problem for problem in present_status().problems if problem.key == "delegate"]
    assert [problem.severity for problem in problems] == ["fail"]
    assert Notification.objects.filter(user=otto, title__contains="Overdue").count() == 1

    told(tmp_path, good, {"phase": "failed", "stoppedAt": ago(1), "error": "no space left"})
    row = delegates.look(row)
    assert row.state == "failed"
    assert "no space left" in row.problem
    assert [each["good"] for each in row.sets] == [False, True]
    delegates.update_delegate(actor=SETUP, delegate_id=row.pk, gate=False)
    assert [p.severity for p in present_status().problems if p.key == "delegate"] == ["warn"]

    told(tmp_path, good)
    assert delegates.look(row).state == "ok"
    assert Notification.objects.filter(user=otto, title__contains="in order again").count() == 1


@pytest.mark.django_db
def test_a_tool_that_does_not_answer_keeps_what_was_seen(people: People, tmp_path: Path) -> None:
    row = delegates.look(watched(config=told(tmp_path, {"phase": "completed", "stoppedAt": ago(2)})))
    for content in ("", "[]", '{"items": [1]}'):
        (tmp_path / "backups.json").write_text(content)
        row = delegates.look(row)
        assert row.state == "failed"
        assert "cannot be read" in row.problem
    (tmp_path / "backups.json").unlink()
    assert "No such file" in delegates.look(row).problem
    assert len(row.sets) == 1


@pytest.mark.django_db
def test_a_cluster_says_when_its_last_backup_was(tmp_path: Path) -> None:
    status = {"lastSuccessfulBackup": ago(3), "firstRecoverabilityPoint": ago(90)}
    (tmp_path / "c.json").write_text(json.dumps({"kind": "Cluster", "status": status}))
    row = watched(config=str(tmp_path / "c.json"))
    assert delegates.look(row).state == "ok"
    (tmp_path / "c.json").write_text(json.dumps({"kind": "Cluster", "status": {**status, "lastFailedBackup": ago(1)}}))
    assert delegates.look(row).state == "failed"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"tool": "pgbackrest", "config": "relative.conf"}, "config"),
        ({"tool": "cnpg", "config": ""}, "config"),
        ({"tool": "cnpg", "drill_days": 7}, "drill_days"),
        ({"source": "--delta"}, "source"),
        ({"token_ref": "env:DATABASE_URL"}, "secret"),
        ({"max_age_hours": 0}, "max_age_hours"),
    ],
)
def test_what_cannot_be_watched_is_refused_by_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        watched(**values)
    assert refused.value.field == field


@pytest.fixture(scope="module")
def server() -> Iterator[PgBackRest]:
    """A server with a row, and its full backup and an increment."""
    with PgBackRest() as made:
        with psycopg.connect(made.server.url, autocommit=True) as opened:
            opened.execute(
                "CREATE TABLE harbour AS SELECT n, repeat('tide ', 50) AS said FROM generate_series(1, 500) n"
            )
        made.run("backup", "--type=full")
        yield made


@HERE
@pytest.mark.django_db
def test_pgbackrest_is_asked_and_its_backup_is_restored_for_practice(
    server: PgBackRest, settings: Any, people: People
) -> None:
    install = pgbackrest.install()
    assert install
    settings.PG_BIN = str(install / "bin")
    row = delegates.look(watched(tool="pgbackrest", source=STANZA, config=str(server.config), drill_days=7))
    assert row.state == "ok", row.problem
    assert [each["kind"] for each in row.sets] == ["full"]
    assert schedules.start_due() >= 1
    drill = Drill.objects.get(delegate=row)
    done = carry_out("drill", drill.pk)
    drill.refresh_from_db()
    assert done.state == "succeeded", f"{done.error}\n{done.log}"
    assert drill.set_name == row.sets[0]["label"]
    found = {each["what"]: each["detail"] for each in drill.findings}
    assert "1 tables read to the last row" in found["Database postgres"]
    assert drill.rto_seconds
    assert not delegate_drills.drill_due(row, timezone.now())
    # The drill of another tool says nothing of ours.
    assert present_status().last_drill is None

    wrong = watched(name="Wrong", tool="pgbackrest", source="nobody", config=str(server.config))
    assert "nobody" in delegates.look(wrong).problem


@HERE
@pytest.mark.django_db
def test_a_backup_that_lost_a_file_fails_its_drill(server: PgBackRest, settings: Any, people: People) -> None:
    install = pgbackrest.install()
    assert install
    settings.PG_BIN = str(install / "bin")
    row = watched(name="Broken", tool="pgbackrest", source=STANZA, config=str(server.config), drill_days=7)
    bundles = sorted((server.repository / "backup" / STANZA).rglob("base/5/*.zst"))
    assert bundles
    kept = [(path, path.read_bytes()) for path in bundles]
    for path in bundles:
        path.unlink()
    try:
        drill = delegate_drills.start_drill(actor=SETUP, delegate_id=row.pk, wake=False)
        done = carry_out("drill", drill.pk)
    finally:
        for path, data in kept:
            path.write_bytes(data)
    assert done.state == "failed"
    assert "did not restore" in done.error
    assert any("last drill failed" in problem.message for problem in present_status().problems)


@pytest.mark.django_db
@pytest.mark.skipif(shutil.which("barman") is None, reason="Barman is not installed")
def test_barman_is_asked(tmp_path: Path) -> None:
    config = tmp_path / "barman.conf"
    home = tmp_path / "barman"
    home.mkdir()
    config.write_text(
        f"[barman]\nbarman_user = root\nbarman_home = {home}\nlog_file = {home}/barman.log\n"
        "[portal]\ndescription = test\nconninfo = host=127.0.0.1 port=1 user=x dbname=x\n"
        "streaming_conninfo = host=127.0.0.1 port=1 user=x dbname=x\nbackup_method = postgres\nstreaming_archiver = on\n"
        "slot_name = portal\n"
    )
    row = watched(name="Barman", tool="barman", source="portal", config=str(config))
    seen = delegate_tools.ask(row)
    assert seen.copies == []
    assert "postgresql" in seen.problem
    assert delegates.look(row).state == "failed"
