"""Real processes under the driver for processes: found again by another agent, stopped, exchanged, killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aw_deployd import release
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError
from aw_deployd.runtime import processes
from aw_deployd.runtime.processes import Processes
from tests.fakes.rollout import environment

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
CALM = "import time; time.sleep(60)"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """Releases whose parts sleep."""
    made = environment(tmp_path)
    variables = tmp_path / "portal.env"
    variables.write_text("# a comment\nCOLOUR=red\n")
    made = replace(made, variables=variables)
    for version in ("1.0", "2.0"):
        manifest = {"version": version, "python": sys.executable}
        (made.releases / version / "release.json").write_text(json.dumps(manifest))
        (made.releases / version / "app" / "manage.py").write_text(
            "import os, sys; print(os.environ['COLOUR'], sys.argv[1:])"
        )
    monkeypatch.setattr(processes, "SETTLED_SECONDS", 0.2)
    monkeypatch.setattr(
        processes,
        "COMMANDS",
        {"worker": ("-c", CALM), "watch": ("-c", STUBBORN), "healthd": ("-c", "raise SystemExit(1)")},
    )
    yield made
    driver = Processes(made)
    for path in (made.state / "processes").glob("*.json"):
        driver.stop(path.stem, 0.0)


def _of(place: Environment, version: str) -> release.Release:
    return release.load(place.releases, version)


def test_another_agent_finds_and_stops_what_the_first_one_started(place: Environment) -> None:
    Processes(place).start_role("worker", _of(place, "1.0"))
    second = Processes(place)
    running = second.observe("worker")
    assert running.release == "1.0"
    with pytest.raises(DeployError, match=r"runs 1\.0"):
        second.start_role("worker", _of(place, "2.0"))
    second.start_role("worker", _of(place, "1.0"))
    assert second.observe("worker") == running
    assert second.stop("worker", 5.0)
    assert second.observe("worker").pid == 0
    assert second.stop("worker", 5.0)
    assert second.fallen() == []


def test_who_does_not_end_is_killed_and_that_is_told(place: Environment) -> None:
    driver = Processes(place)
    driver.start_role("watch", _of(place, "1.0"))
    time.sleep(0.3)
    assert not driver.stop("watch", 0.1)
    assert driver.observe("watch").pid == 0


def test_an_exchange_overlaps_and_one_that_died_in_the_middle_is_finished(place: Environment) -> None:
    driver = Processes(place)
    driver.start_role("worker", _of(place, "1.0"))
    old = driver.observe("worker").pid
    # As if the agent had died after it put the old one aside.
    folder = place.state / "processes"
    (folder / "worker.json").replace(folder / "worker-old.json")
    driver.start_role("worker", _of(place, "2.0"))
    again = Processes(place)
    assert again.observe("worker-old").pid == old
    assert again.swap_role("worker", _of(place, "2.0"), 5.0)
    assert again.observe("worker").release == "2.0"
    assert again.observe("worker-old").pid == 0


def test_a_part_that_ends_at_once_is_an_error(place: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SETTLED_SECONDS", 20.0)
    with pytest.raises(DeployError, match="ended at once"):
        Processes(place).swap_role("healthd", _of(place, "1.0"), 1.0)


def test_what_was_killed_has_fallen(place: Environment) -> None:
    driver = Processes(place)
    driver.start_role("worker", _of(place, "1.0"))
    os.killpg(driver.observe("worker").pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while not driver.fallen() and time.monotonic() < end:
        time.sleep(0.02)
    assert driver.fallen() == [("worker", "1.0")]


def test_a_job_gets_the_portals_variables_and_no_others(place: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIWRITER_SECRET_OF_SOMEBODY", "x")
    driver = Processes(place)
    assert "AIWRITER_SECRET_OF_SOMEBODY" not in driver.variables()
    found = driver.run_job(_of(place, "1.0"), "rehearse", 20.0, ("--previous", "x; rm -rf /"))
    assert (found.code, found.tail) == (0, "red ['rehearse_migrations', '--previous', 'x; rm -rf /']")
