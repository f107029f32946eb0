"""Versions as units of systemd, those of deploy/host/systemd; systemd restarts them, also without the agent and after a boot.

Two kinds of links beside the folder of releases say what a unit runs: `slots/NAME` for the web and the worker of a slot,
`current` for parts that exist once.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError
from aw_deployd.release import Release
from aw_deployd.runtime import OVERLAPPING, JobResult, Running
from aw_deployd.runtime.processes import Processes

# A unit that systemd calls active for so long did not end at once.
SETTLED_SECONDS = 1.0
KILLED_SECONDS = 10.0


class Systemd:
    """The driver.

    Args:
        environment: whose units.
        systemctl: the program, with arguments such as --user.
    """

    def __init__(self, environment: Environment, systemctl: tuple[str, ...] = ("systemctl",)) -> None:
        self._environment = environment
        self._systemctl = systemctl
        self._jobs = Processes(environment)
        self._slots = tuple(slot.name for slot in environment.slots)

    def _call(self, *words: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._systemctl, *words], capture_output=True, text=True, timeout=timeout, check=False)

    def units(self, name: str) -> dict[str, Path]:
        """The units of a slot or a role, and the link that says what each runs. A worker has one in each slot."""
        home = self._environment.releases.parent
        if name in self._slots:
            return {f"aiwriter-web@{name}.service": home / "slots" / name}
        if name in OVERLAPPING:
            return {f"aiwriter-{name}@{slot}.service": home / "slots" / slot for slot in self._slots}
        return {f"aiwriter-{name}.service": home / "current"}

    # ------------------------------------------------------------ observing
    def observe(self, name: str) -> Running:
        """What systemd and the process itself say; of two workers the younger one."""
        return next(iter(self._running(name).values()), Running())

    def _running(self, name: str) -> dict[str, Running]:
        """By unit, the youngest first."""
        found = {}
        for unit, link in self.units(name).items():
            begun, running = self._shown(unit, link)
            if running.release:
                found[unit] = (begun, running)
        ordered = sorted(found.items(), key=lambda each: -each[1][0])
        return {unit: running for unit, (_, running) in ordered if running.release}

    def _shown(self, unit: str, link: Path) -> tuple[int, Running]:
        """When a unit was started, in the kernel's microseconds, and what runs in it."""
        shown = self._call("show", unit, "--property=ActiveState,MainPID,ExecMainStartTimestampMonotonic").stdout
        values = dict(line.partition("=")[::2] for line in shown.splitlines())
        # What is ending has not ended: a worker may finish for a minute.
        if values.get("ActiveState") not in ("active", "activating", "reloading", "deactivating"):
            return 0, Running()
        pid = int(values.get("MainPID") or 0)
        return int(values.get("ExecMainStartTimestampMonotonic") or 0), Running(self._release(pid, link), pid)

    def _release(self, pid: int, link: Path) -> str:
        """Where the process works: the link may lead on while what was started before still runs."""
        for place in (Path(f"/proc/{pid}/cwd"), link / "app"):
            try:
                code = place.resolve(strict=True)
            except OSError:
                continue
            if code.parent.parent == self._environment.releases.resolve():
                return code.parent.name
        return ""

    def digests(self, release: Release) -> tuple[str, ...]:
        """Of its code."""
        return self._jobs.digests(release)

    def previous(self, release: Release) -> tuple[str, ...]:
        """Where it lies."""
        return self._jobs.previous(release)

    # ------------------------------------------------------------ acting
    def start_web(self, slot: str, release: Release) -> None:
        """Link and start."""
        self._start_once(slot, release)

    def start_role(self, role: str, release: Release) -> None:
        """Link and start."""
        if role in OVERLAPPING:
            self.swap_role(role, release, 0.0)
        else:
            self._start_once(role, release)

    def several(self, role: str) -> list[Running]:
        """The one of the slot, and those beside it: `aiwriter-worker@more-2.service` and so on."""
        first = self.observe(role)
        found = [self._shown(unit, link)[1] for unit, link in self._more(role).items()]
        return [running for running in (first, *found) if running.release]

    def _more(self, role: str) -> dict[str, Path]:
        """Units beside the first that systemd has loaded, and their links."""
        home = self._environment.releases.parent / "slots"
        words = ("list-units", "--plain", "--no-legend", "--state=active,activating", f"aiwriter-{role}@more-*.service")
        units = [line.split()[0] for line in self._call(*words).stdout.splitlines() if line.strip()]
        return {unit: home / unit.partition("@")[2].removesuffix(".service") for unit in units}

    def set_several(self, role: str, count: int, release: Release) -> None:
        """systemd waits for those that end, at most the unit's TimeoutStopSec."""
        first = tuple(self._running(role))
        if count and not first:
            self.start_role(role, release)
        elif not count and first:
            self._call("disable", "--now", "--no-block", *first)
        running = self._more(role)
        wanted = [f"aiwriter-{role}@more-{number}.service" for number in range(2, count + 1)]
        for unit in wanted:
            if unit not in running:
                self._link(self._environment.releases.parent / "slots" / unit.partition("@")[2][:-8], release)
                self._start(unit)
        if over := [unit for unit in running if unit not in wanted]:
            self._call("disable", "--now", "--no-block", *over)

    def _start_once(self, name: str, release: Release) -> None:
        running = self.observe(name)
        if running.release == release.version:
            return
        if running.release:
            raise DeployError(f"{name} runs {running.release}.", "Stop it first.")
        ((unit, link),) = self.units(name).items()
        self._link(link, release)
        self._start(unit)

    @staticmethod
    def _link(link: Path, release: Release) -> None:
        link.parent.mkdir(exist_ok=True)
        new = link.with_name(f"{link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(release.folder)
        new.replace(link)

    def _start(self, unit: str) -> None:
        # Enabled too: else another version is back after the next boot.
        done = self._call("enable", "--now", "--no-block", unit)
        if done.returncode:
            raise DeployError(f"{unit} was not started: {done.stderr.strip()}", "deploy/host/install.sh has the units.")

    def stop(self, name: str, grace: float) -> bool:
        """Ask systemd; the unit's TimeoutStopSec kills, and so does the end of `grace`."""
        return self._stop(name, tuple(self._running(name)), grace)

    def _stop(self, name: str, units: tuple[str, ...], grace: float) -> bool:
        if not units:
            return True
        self._call("disable", "--now", "--no-block", *units)
        if self._gone(name, units, grace):
            return True
        self._call("kill", "--signal=KILL", *units)
        self._gone(name, units, KILLED_SECONDS)
        return False

    def _gone(self, name: str, units: tuple[str, ...], within: float) -> bool:
        end = time.monotonic() + within
        while not set(self._running(name)).isdisjoint(units):
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def fallen(self) -> list[tuple[str, str]]:
        """None: systemd starts them again."""
        return []

    def run_job(
        self, release: Release, job: str, timeout: float, arguments: tuple[str, ...] = (), database: str = ""
    ) -> JobResult:
        """As a process of the agent: its output is the evidence."""
        return self._jobs.run_job(release, job, timeout, arguments, database)

    def swap_role(self, role: str, release: Release, grace: float) -> bool:
        """A worker begins in the slot of its version, then the one before ends; other parts one after the other."""
        if role not in OVERLAPPING:
            if self.observe(role).release == release.version:
                return True
            ended = self.stop(role, grace)
            self._start_once(role, release)
            return ended
        running = self._running(role)
        here = next((unit for unit, found in running.items() if found.release == release.version), "")
        if not here:
            places = [unit for unit, link in self.units(role).items() if link.resolve() == release.folder.resolve()]
            if not places:
                raise DeployError(f"No slot has {release.version}.", "Its web process is started first.")
            here = next((unit for unit in places if unit not in running), places[0])
            ended = self._stop(role, (here,), grace) if here in running else True
            self._start(here)
            time.sleep(SETTLED_SECONDS)
            if self._running(role).get(here, Running()).release != release.version:
                raise DeployError(f"{here} ended at once.", f"journalctl -u {here}")
        else:
            ended = True
        return self._stop(role, tuple(unit for unit in running if unit != here), grace) and ended
