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
_SPARE = """
import os, signal, subprocess, sys, threading, time
from aiwriter.core import priority
if {pinned}:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
if {gives_way}:
    priority.give_way()
def work():
    while not over:
        sum(range(10_000))
def policies():
    return [os.sched_getscheduler(each) for each in (worker.native_id, child.pid, threading.get_native_id())]
def seen(wanted):
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if policies() == [wanted] * 3:
            return True
        time.sleep(0.02)
    return policies()
over, worker, child = [], threading.Thread(target=work), subprocess.Popen(["sleep", "120"])
worker.start()
try:
    with priority.spare_time():
        for wanted in {wanted}:
            print(seen(wanted))
            if {pinned}:
                os.kill({hog}, signal.SIGCONT)
    print(policies() == [os.SCHED_BATCH if {gives_way} else os.SCHED_OTHER] * 3)
finally:
    over.append(1)
    child.kill()
"""
comes_back = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or platform.machine() not in ("x86_64", "aarch64"),
    reason="only a process that may raise its level works in spare time",
)


def _spare(*wanted: int, **knobs: bool) -> list[str]:
    """What a process sees of itself; with `pinned` another one takes its only processor, after the first look."""
    root = Path(__file__).parents[3]
    place = [min(os.sched_getaffinity(0))]
    hog = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os\nos.sched_setaffinity(0, {place})\nos.kill(os.getpid(), 19)\nwhile True: pass",
        ]
    )
    try:
        script = _SPARE.format(wanted=list(wanted), hog=hog.pid, **{"pinned": False, "gives_way": True} | knobs)
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=110)
    finally:
        hog.kill()
        hog.wait()
    return done.stdout.split()


@comes_back
def test_threads_and_programs_use_spare_time_and_get_their_share_back() -> None:
    assert _spare(os.SCHED_IDLE) == ["True", "True"]


@comes_back
def test_work_that_finds_no_spare_time_gets_its_share() -> None:
    assert _spare(os.SCHED_IDLE, os.SCHED_BATCH, pinned=True) == ["True", "True", "True"]


def test_a_process_that_did_not_give_way_is_left_alone() -> None:
    assert _spare(os.SCHED_OTHER, gives_way=False) == ["True", "True"]


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
