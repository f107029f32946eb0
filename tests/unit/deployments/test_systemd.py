"""The driver for systemd with the units of deploy/host: their own lines, real processes, a stand-in for `systemctl`."""

from __future__ import annotations

import re
import subprocess
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest

from aw_deployd import environment as environments
from aw_deployd import release
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError
from aw_deployd.runtime import systemd
from aw_deployd.runtime.systemd import Systemd
from tests.fakes.program import Answer, Call, Program
from tests.fakes.rollout import environment

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
UNITS = DEPLOY / "host" / "systemd"


class Systemctl:
    """Starts what a unit says, in the folder that it says, below another root; knows what runs, and what a boot would start."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.enabled: set[str] = set()
        self.begun: dict[str, subprocess.Popen[bytes]] = {}
        self.before: list[subprocess.Popen[bytes]] = []
        self.since: dict[str, int] = {}
        self.path = root / "systemctl"
        self._program = Program(self.path, self._answer)

    def _pid(self, unit: str) -> int:
        found = self.begun.get(unit)
        return found.pid if found and found.poll() is None else 0

    def _answer(self, call: Call) -> Answer:
        verb, *words = call.words
        if verb == "list-units":
            running = [unit for unit in sorted(self.begun) if fnmatch(unit, words[-1]) and self._pid(unit)]
            return Answer("".join(f"{unit} loaded active running x\n" for unit in running))
        return Answer("".join(getattr(self, f"_{verb}")(word) for word in words if word.endswith(".service")))

    def _show(self, unit: str) -> str:
        number = self._pid(unit)
        begun = self.since[unit] if number else 0
        state = "active" if number else "inactive"
        return f"ActiveState={state}\nMainPID={number}\nExecMainStartTimestampMonotonic={begun}\n"

    def _enable(self, unit: str) -> str:
        name, _, slot = unit.removesuffix(".service").partition("@")
        text = (UNITS / f"{name}{'@' if slot else ''}.service").read_text().replace("%i", slot)
        text = text.replace("/opt/aiwriter", str(self.root))
        folder, command = (re.findall(rf"(?m)^{key}=(.*)$", text)[0] for key in ("WorkingDirectory", "ExecStart"))
        null = subprocess.DEVNULL
        made = subprocess.Popen(
            command.split(), cwd=folder, stdin=null, stdout=null, stderr=null, start_new_session=True
        )
        if old := self.begun.get(unit):
            self.before.append(old)
        self.begun[unit] = made
        self.since[unit] = time.monotonic_ns()
        self.enabled.add(unit)
        return ""

    def _disable(self, unit: str) -> str:
        self.enabled.discard(unit)
        if self._pid(unit):
            self.begun[unit].terminate()
        return ""

    def _kill(self, unit: str) -> str:
        if self._pid(unit):
            self.begun[unit].kill()
        return ""

    def close(self) -> None:
        self._program.close()
        for each in [*self.begun.values(), *self.before]:
            each.kill()
            each.wait()


class Machine:
    """A machine with two releases and the units of the host."""

    def __init__(self, folder: Path) -> None:
        self.environment = environment(folder)
        for version in ("1.0", "2.0"):
            python = self.environment.releases / version / "venv" / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("#!/bin/sh\nexec sleep 60\n")
            python.chmod(0o755)
        self.systemctl = Systemctl(folder)

    def agent(self) -> Systemd:
        return Systemd(self.environment, (str(self.systemctl.path),))

    def release(self, version: str) -> release.Release:
        return release.load(self.environment.releases, version)

    @property
    def after_a_boot(self) -> set[str]:
        return {unit.removesuffix(".service") for unit in self.systemctl.enabled}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(systemd, "SETTLED_SECONDS", 0.1)
    made = Machine(tmp_path)
    yield made
    made.systemctl.close()


def test_a_roll_out_and_the_way_back(machine: Machine) -> None:
    """The web of the second slot, then the worker there, then what exists once; a boot brings what serves."""
    agent, one, two = machine.agent(), machine.release("1.0"), machine.release("2.0")
    agent.start_web("blue", one)
    for role in ("worker", "scheduler"):
        agent.swap_role(role, one, 5.0)
    assert [agent.observe(name).release for name in ("blue", "worker", "scheduler", "green")] == [
        "1.0",
        "1.0",
        "1.0",
        "",
    ]
    agent.start_web("green", two)
    with pytest.raises(DeployError, match=r"runs 1\.0"):
        agent.start_web("blue", two)
    before = agent.observe("worker").pid
    # The next agent knows it all from the machine.
    agent = machine.agent()
    assert all(agent.swap_role(role, two, 5.0) for role in ("worker", "scheduler"))
    assert [agent.observe(name).release for name in ("blue", "green", "worker", "scheduler")] == [
        "1.0",
        "2.0",
        "2.0",
        "2.0",
    ]
    assert not Path(f"/proc/{before}/cwd").exists()
    assert agent.stop("blue", 5.0)
    assert machine.after_a_boot == {"aiwriter-web@green", "aiwriter-worker@green", "aiwriter-scheduler"}
    agent.start_web("blue", one)
    agent.swap_role("worker", one, 5.0)
    assert agent.observe("worker").release == "1.0"


def test_workers_beside_the_first_have_units_of_the_same_template(machine: Machine) -> None:
    agent, one = machine.agent(), machine.release("1.0")
    agent.start_web("blue", one)
    agent.swap_role("worker", one, 5.0)
    agent.set_several("worker", 3, one)
    agent = machine.agent()
    assert [running.release for running in agent.several("worker")] == ["1.0", "1.0", "1.0"]
    beside = {"aiwriter-worker@more-2", "aiwriter-worker@more-3"}
    assert machine.after_a_boot == {"aiwriter-web@blue", "aiwriter-worker@blue"} | beside
    assert {path.name for path in (machine.environment.releases.parent / "slots").iterdir()} == {
        "blue",
        "more-2",
        "more-3",
    }
    # The worker of a slot is looked for in the slots alone.
    assert agent.observe("worker").pid == agent.several("worker")[0].pid
    agent.set_several("worker", 1, one)
    end = time.monotonic() + 10
    while len(agent.several("worker")) > 1 and time.monotonic() < end:
        time.sleep(0.05)
    assert machine.after_a_boot == {"aiwriter-web@blue", "aiwriter-worker@blue"}
    agent.set_several("worker", 0, one)
    assert machine.after_a_boot == {"aiwriter-web@blue"}
    agent.set_several("worker", 2, one)
    assert len(agent.several("worker")) == 2


def test_what_runs_is_told_by_the_process_not_by_the_link(machine: Machine) -> None:
    """Both slots get the new version one after the other, as in `rolling`, while the worker still is of the one before."""
    agent, one, two = machine.agent(), machine.release("1.0"), machine.release("2.0")
    for slot in ("blue", "green"):
        agent.start_web(slot, one)
    agent.swap_role("worker", one, 5.0)
    for slot in ("blue", "green"):
        agent.stop(slot, 5.0)
        agent.start_web(slot, two)
    assert agent.observe("worker").release == "1.0"
    # The agent dies when the new one has begun and the old one has not ended: both run, and that is seen.
    agent._start("aiwriter-worker@green.service")
    assert {found.release for found in agent._running("worker").values()} == {"1.0", "2.0"}
    assert machine.agent().swap_role("worker", two, 5.0)
    assert [found.release for found in agent._running("worker").values()] == ["2.0"]


def test_who_does_not_end_is_killed_and_who_ends_at_once_is_told(machine: Machine) -> None:
    agent, one = machine.agent(), machine.release("1.0")
    python = Path(one.python)
    python.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n")
    agent.start_web("blue", one)
    time.sleep(0.3)
    assert not agent.stop("blue", 0.2)
    assert agent.observe("blue").pid == 0
    python.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(DeployError, match=r"worker@blue\.service ended at once"):
        agent.swap_role("worker", one, 5.0)
    with pytest.raises(DeployError, match="No slot has 2"):
        agent.swap_role("worker", machine.release("2.0"), 5.0)


def test_the_example_of_the_agent_the_units_and_the_installer_name_the_same_paths(tmp_path: Path) -> None:
    readme = (DEPLOY / "agent" / "README.md").read_text()
    block = re.search(r"(?ms)^    name = .*?^    address = \"[^\n]*\n\n(?!    \[\[)", readme)
    assert block is not None
    path = tmp_path / "deployd.toml"
    path.write_text(textwrap.dedent(block[0]))
    told: Environment = environments.load(path)
    agent = Systemd(replace(told, state=tmp_path))
    installer = (DEPLOY / "host" / "install.sh").read_text()
    for name in (*(slot.name for slot in told.slots), *told.roles):
        for unit, link in agent.units(name).items():
            part, _, slot = unit.removesuffix(".service").partition("@")
            text = (UNITS / f"{part}{'@' if slot else ''}.service").read_text().replace("%i", slot)
            assert f"\nWorkingDirectory={link}/app\n" in text, unit
            assert f"\nExecStart={link}/venv/bin/python " in text, unit
            assert f"\nEnvironmentFile={told.variables}\n" in text, unit
            assert f"AIWRITER_DATA_DIR={told.data} " in text, unit
            assert f"\nUser={told.user}\n" in text, unit
            assert f'leads "$home/{link.relative_to("/opt/aiwriter")}" "$release"' in installer
    assert (
        f"home={told.releases.parent} data={told.data} etc={told.variables.parent if told.variables else ''}\n"
        in installer
    )
    assert "for slot in " + " ".join(f"{slot.name}:{slot.port}" for slot in told.slots) + "; do" in installer
    assert [path.name for path in (DEPLOY / "agent" / "systemd").iterdir()] == ["aw-deployd.service"]
