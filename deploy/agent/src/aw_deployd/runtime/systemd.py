"""Versions as units of systemd: `aiwriter-web@blue`, `aiwriter-worker@0.2.0`; systemd restarts them, also without the agent.

Each slot and each role has a link in `releases/` that says which version it runs: the unit's template reads it.
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

    def _call(self, *words: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._systemctl, *words], capture_output=True, text=True, timeout=timeout, check=False)

    def _slots(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in self._environment.slots)

    def _unit(self, name: str) -> str:
        if name in self._slots():
            return f"aiwriter-web@{name}.service"
        role, _, place = name.partition("-")
        if role in OVERLAPPING:
            return f"aiwriter-{role}@{place or 'a'}.service"
        return f"aiwriter-{role}.service"

    def _link(self, name: str) -> Path:
        return self._environment.releases / f".{name}"

    # ------------------------------------------------------------ observing
    def observe(self, name: str) -> Running:
        """What systemd says, and which version the link names."""
        if name in OVERLAPPING:
            name = self._holder(name) or name
        shown = self._call("show", self._unit(name), "--property=ActiveState,MainPID").stdout
        values = dict(line.partition("=")[::2] for line in shown.splitlines())
        if values.get("ActiveState") not in ("active", "activating", "reloading"):
            return Running()
        try:
            release = self._link(name).resolve(strict=True).name
        except OSError:
            return Running()
        return Running(release, int(values.get("MainPID") or 0))

    def _holder(self, role: str) -> str:
        """Which of the two places of an overlapping role has the work: that of the newest link."""
        found = [f"{role}-{place}" for place in "ab" if self._link(f"{role}-{place}").is_symlink()]
        return max(found, key=lambda each: self._link(each).lstat().st_mtime, default="")

    # ------------------------------------------------------------ acting
    def start_web(self, slot: str, release: Release) -> None:
        """Link and start."""
        self._start(slot, release)

    def start_role(self, role: str, release: Release) -> None:
        """Link and start."""
        self._start(f"{role}-a" if role in OVERLAPPING else role, release)

    def _start(self, name: str, release: Release) -> None:
        running = self.observe(name)
        if running.release == release.version:
            return
        if running.release:
            raise DeployError(f"{name} runs {running.release}.", "Stop it first.")
        new = self._link(f"{name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(release.folder)
        new.replace(self._link(name))
        done = self._call("start", "--no-block", self._unit(name))
        if done.returncode:
            raise DeployError(f"{self._unit(name)} was not started: {done.stderr.strip()}", "Install the units first.")

    def stop(self, name: str, grace: float) -> bool:
        """Ask systemd; the unit's TimeoutStopSec kills, and so does the end of `grace`."""
        self._call("stop", "--no-block", self._unit(name))
        end = time.monotonic() + grace
        while time.monotonic() < end:
            if not self.observe(name).release:
                return True
            time.sleep(0.1)
        self._call("kill", "--signal=KILL", self._unit(name))
        return False

    def fallen(self) -> list[tuple[str, str]]:
        """None: systemd starts them again."""
        return []

    def run_job(
        self, release: Release, job: str, timeout: float, arguments: tuple[str, ...] = (), database: str = ""
    ) -> JobResult:
        """As a process of the agent: its output is the evidence."""
        return self._jobs.run_job(release, job, timeout, arguments, database)

    def swap_role(self, role: str, release: Release, grace: float) -> bool:
        """The other place of the role gets the new version; then the one before ends."""
        if role not in OVERLAPPING:
            if self.observe(role).release == release.version:
                return True
            ended = self.stop(role, grace)
            self._start(role, release)
            return ended
        holder = self._holder(role)
        if holder and self.observe(holder).release == release.version:
            other = f"{role}-{'b' if holder.endswith('a') else 'a'}"
            return self.stop(other, grace)
        place = f"{role}-{'b' if holder.endswith('a') else 'a'}"
        self.stop(place, grace)
        self._start(place, release)
        time.sleep(1.0)
        if self.observe(place).release != release.version:
            raise DeployError(f"{self._unit(place)} ended at once.", f"journalctl -u {self._unit(place)}")
        return self.stop(holder, grace) if holder else True
