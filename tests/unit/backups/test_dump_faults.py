"""Programs that fail, give half, hang or are too old never make a set; a process that was thought dead writes nothing more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiwriter.core.errors import Unavailable
from apps.backups.models import BackupRun, Destination
from apps.backups.services import postgres
from apps.backups.services.backups import start_backup
from apps.backups.services.postgres import PostgresSnapshot
from apps.backups.services.progress import LEASE, LostJob, Progress, Quiet
from tests.factories.users import SETUP
from tests.lab.repositories import Place

_WHOLE = "echo '-- PostgreSQL database dump complete'"


@pytest.fixture
def dumping(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stores the dump of a `pg_dump` that does what a text says; returns the sets that are there then."""
    place = Place.make(tmp_path / "repository")
    settings.PG_BIN = str(tmp_path / "bin")
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(postgres, "parameters", lambda database="": {"dbname": "portal"})

    def run(text: str, version: int = 99) -> int:
        program = tmp_path / "bin" / "pg_dump"
        answer = f'if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) {version}.1"; exit 0; fi'
        program.write_text(f"#!/bin/sh\n{answer}\n{text}\n")
        program.chmod(0o755)
        taken = PostgresSnapshot(None, "1-1", "99.1", 99, 0)  # type: ignore[arg-type]
        with closing(place.server()) as repository:
            try:
                with repository.begin(kind="full") as writer:
                    taken.write(writer, Quiet(lambda _text: None))
                    writer.commit()
            finally:
                run.sets = len(repository.sets())  # type: ignore[attr-defined]
        return run.sets  # type: ignore[attr-defined, no-any-return]

    return run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo half; echo 'no space left on device' >&2; exit 1", "before its last line"),
        ("echo half", "before its last line"),
        ("exit 0", "before its last line"),
        (f"{_WHOLE}; exit 3", "before its last line"),
        ("kill -9 $$", "before its last line"),
    ],
)
def test_a_dump_that_is_not_whole_is_no_set(dumping: Any, text: str, said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        dumping(text)
    assert dumping.sets == 0
    assert dumping(f"echo rows; {_WHOLE}") == 1


def test_a_program_that_hangs_is_ended(dumping: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SILENCE", 0.2)
    with pytest.raises(Unavailable, match="before its last line"):
        dumping("echo half; exec sleep 600")
    assert dumping.sets == 0


def test_a_program_that_is_older_than_the_server_is_refused(dumping: Any) -> None:
    with pytest.raises(Unavailable, match="must not be older than the server"):
        dumping(_WHOLE, version=98)
    assert dumping.sets == 0


@pytest.mark.django_db
def test_a_paused_process_that_wakes_after_its_lease_writes_nothing_more(place: Destination) -> None:
    run = start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    first = BackupRun.objects.claim(run.pk, lease=LEASE, to_state="running")
    assert first is not None
    paused = Progress(BackupRun.objects.get(pk=run.pk), first)
    BackupRun.objects.filter(pk=run.pk).update(state="queued", lease_until=None)
    second = BackupRun.objects.claim(run.pk, lease=LEASE, to_state="running")
    assert second is not None
    assert second > first
    paused.progress("late", 1, 2)
    with pytest.raises(LostJob):
        paused.check()
    assert BackupRun.objects.get(pk=run.pk).phase == ""
