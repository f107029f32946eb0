"""Work that may take longer gives way."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from aiwriter.core.priority import LEVEL, is_patient
from apps.backups.management.commands.backup_job import Command
from apps.backups.services import jobs
from apps.backups.services.working import WORK

_TELL = """
from aiwriter.core.priority import give_way
import os
{}
give_way()
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_BATCH)
"""


@pytest.mark.parametrize("more", [0, LEVEL + 5])
def test_a_process_gives_way_and_never_takes_back(more: int) -> None:
    after = max(LEVEL, min(19, os.nice(0) + more))
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", _TELL.format(f"os.nice({more})")], cwd=root, capture_output=True, text=True, check=True
    )
    level, batch = done.stdout.split()
    assert int(level) == after
    assert batch == str(platform.machine() in ("x86_64", "aarch64"))


def test_backups_are_patient_and_restores_are_not() -> None:
    assert is_patient(["backup", "--json"])
    assert is_patient(["backup_job", "run", "id"])
    assert not is_patient(["restore", "database"])
    assert not is_patient(["backup_job", "restore", "id"])
    assert not is_patient(["backup_capture"])
    assert not is_patient([])


def test_the_child_of_a_worker_knows_every_kind_of_job() -> None:
    parser = Command().create_parser("manage.py", "backup_job")
    for kind in jobs.KINDS:
        assert parser.parse_args([kind, "01890000-0000-7000-8000-000000000000"]).kind == kind
    assert set(WORK) == set(jobs.KINDS)
