"""The operator's program around a backup."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.backups.models import BackupRun, BackupSet, Destination
from apps.backups.services.backups import start_backup
from apps.backups.services.working import carry_out
from tests.factories.users import SETUP

Hook = Callable[[str], Path]
pytestmark = pytest.mark.django_db(transaction=connection.vendor == "postgresql")


@pytest.fixture
def hook(tmp_path: Path, settings: Any) -> Hook:
    """A shell script that notes its argument and input; the lines of a test come last."""

    def make(lines: str) -> Path:
        noted, program = tmp_path / "noted", tmp_path / "hook"
        program.write_text(f'#!/bin/sh\n(echo "$1"; cat; echo; env) >> {noted}\n{lines}\n')
        program.chmod(0o700)
        settings.BACKUP_HOOK = str(program)
        return noted

    return make


def run_one(place: Destination) -> BackupRun:
    run = start_backup(actor=SETUP, destination_id=place.pk, wake=False)
    carry_out("run", run.pk)
    return BackupRun.objects.get(pk=run.pk)


def test_it_is_told_before_and_after_and_sees_no_secret(
    place: Destination, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIWRITER_SECRET_HOOK", "canary-of-the-environment")
    noted = hook('echo "disk $1"')
    run = run_one(place)
    assert run.state == "succeeded"
    lines = noted.read_text().splitlines()
    moments = [line for line in lines if line in ("before", "after", "failed")]
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert moments == ["before", "after"]
    assert [each["run"] for each in told] == [str(run.pk)] * 2
    assert told[1]["set"] == BackupSet.objects.get().name
    assert "Hook, before: disk before" in run.log
    assert "canary" not in noted.read_text()


def test_it_may_refuse_a_backup(place: Destination, hook: Hook) -> None:
    noted = hook('[ "$1" != before ] || { echo "no disk" >&2; exit 7; }')
    run = run_one(place)
    assert run.state == "failed"
    assert "ended with code 7" in run.error
    assert "no disk" in run.log
    assert "failed" in noted.read_text().splitlines()
    assert not BackupSet.objects.exists()


def test_a_failure_afterwards_leaves_the_backup(place: Destination, hook: Hook) -> None:
    hook('[ "$1" = before ]')
    run = run_one(place)
    assert run.state == "succeeded"
    assert "The hook (after) ended with code 1. The backup is not affected." in run.log


def test_a_program_that_is_not_there_is_named(place: Destination, settings: Any) -> None:
    settings.BACKUP_HOOK = "/nonexistent/hook"
    run = run_one(place)
    assert run.state == "failed"
    assert "cannot be started: No such file or directory" in run.error
