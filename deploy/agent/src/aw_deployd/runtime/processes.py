"""Versions as processes of this user. They outlive the agent: it finds them again by number and time of start."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from aw_deployd.environment import MOST, Environment
from aw_deployd.errors import DeployError
from aw_deployd.release import Release, digest
from aw_deployd.runtime import JOBS, OVERLAPPING, JobResult, Running

COMMANDS: dict[str, tuple[str, ...]] = {
    "worker": (
        "-m",
        "celery",
        "-q",
        "-A",
        "aiwriter",
        "worker",
        "-P",
        "threads",
        "--without-gossip",
        "--without-mingle",
    ),
    "scheduler": ("-m", "celery", "-q", "-A", "aiwriter", "beat", "--pidfile", "", "--loglevel", "WARNING"),
    "healthd": ("-m", "aiwriter.healthd"),
    "watch": ("manage.py", "watch"),
}
# A worker that has read the portal and lives so long has taken its first look at the queue.
SETTLED_SECONDS = 4.0


class Processes:
    """The driver.

    Args:
        environment: whose processes.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._folder = environment.state / "processes"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._logs = environment.state / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        # Of those that this agent started itself, so that the dead do not stay as zombies.
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    # ------------------------------------------------------------ observing
    def observe(self, name: str) -> Running:
        """What runs there, by the process table."""
        try:
            noted = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Running()
        if self._lives(noted["pid"], noted["started"]):
            return Running(noted["release"], noted["pid"])
        return Running()

    def _lives(self, pid: int, started: str) -> bool:
        if (child := self._children.get(pid)) is not None:
            child.poll()
        return bool(started) and _started(pid) == started

    def variables(self) -> dict[str, str]:
        """The environment of the portal: the operator's file, with the data folder settled."""
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "TMPDIR")
        found = {name: value for name in kept if (value := os.environ.get(name))}  # noqa: TID251
        if self._environment.variables is not None:
            for line in self._environment.variables.read_text(encoding="utf-8").splitlines():
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    found[name] = value
        return {
            **found,
            "AIWRITER_DATA_DIR": str(self._environment.data),
            "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
            "PYTHONUNBUFFERED": "1",
            "PROMETHEUS_MULTIPROC_DIR": str(self._environment.data / "run" / "metrics"),
            "MALLOC_ARENA_MAX": found.get("MALLOC_ARENA_MAX", "1"),
        }

    def _who(self) -> dict[str, Any]:
        """The user of the portal with the groups of that user: `user` alone would leave the agent's, which are root's."""
        if not self._environment.user:
            return {}
        known = pwd.getpwnam(self._environment.user)
        groups = os.getgrouplist(known.pw_name, known.pw_gid)
        return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": groups, "umask": 0o027}

    def digests(self, release: Release) -> tuple[str, ...]:
        """Of its code."""
        return (digest(release.code),)

    def previous(self, release: Release) -> tuple[str, ...]:
        """Where it lies."""
        return "--previous", str(release.code), "--python", release.python

    # ------------------------------------------------------------ acting
    def start_web(self, slot: str, release: Release) -> None:
        """Start it, or find it running."""
        place = self._environment.slot(slot)
        command = ("-m", "aiwriter.web", "--host", place.host, "--port", str(place.port))
        self._start(slot, release, (*command, "--drain", str(int(self._environment.drain_seconds))))

    def start_role(self, role: str, release: Release) -> None:
        """Start it, or find it running."""
        self._start(role, release, COMMANDS[role.partition("-")[0]])

    def several(self, role: str) -> list[Running]:
        """The first is called like the role, the others `role-2` and so on."""
        found = (self.observe(name) for name in _names(role, MOST))
        return [running for running in found if running.pid]

    def set_several(self, role: str, count: int, release: Release) -> None:
        """What ends goes on under the name of what is on its way out: it finishes its work in its own time."""
        names = _names(role, MOST)
        for name in names[:count]:
            if not self.observe(name).pid:
                self.start_role(name, release)
        for name in names[count:]:
            running, path = self.observe(name), self._folder / f"{name}.json"
            if running.pid:
                path.replace(self._folder / f"{name}-old.json")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.pid, signal.SIGTERM)
            else:
                path.unlink(missing_ok=True)

    def _start(self, name: str, release: Release, command: tuple[str, ...]) -> None:
        running = self.observe(name)
        if running.release == release.version:
            return
        if running.release:
            raise DeployError(f"{name} runs {running.release}.", "Stop it first.")
        (self._environment.data / "run" / "metrics").mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [release.python, *command],
                cwd=release.code,
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._who(),
            )
        self._children[process.pid] = process
        noted = {"release": release.version, "pid": process.pid, "started": _started(process.pid)}
        _write(self._folder / f"{name}.json", json.dumps(noted))

    def stop(self, name: str, grace: float) -> bool:
        """TERM, wait, KILL to the whole group."""
        running = self.observe(name)
        ended = True
        if running.pid:
            os.kill(running.pid, signal.SIGTERM)
            end = time.monotonic() + grace
            while self.observe(name).pid and time.monotonic() < end:
                time.sleep(0.05)
            if self.observe(name).pid:
                ended = False
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)
                while self.observe(name).pid:
                    time.sleep(0.02)
        (self._folder / f"{name}.json").unlink(missing_ok=True)
        return ended

    def fallen(self) -> list[tuple[str, str]]:
        """Which ended without having been asked to, and with which version."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            if path.stem.endswith("-old"):
                # Was on its way out anyway.
                if not self.observe(path.stem).pid:
                    path.unlink(missing_ok=True)
            elif not self.observe(path.stem).pid:
                found.append((path.stem, json.loads(path.read_text(encoding="utf-8"))["release"]))
        return found

    def run_job(
        self, release: Release, job: str, timeout: float, arguments: tuple[str, ...] = (), database: str = ""
    ) -> JobResult:
        """Run it to its end."""
        begun = time.monotonic()
        variables = self.variables() | ({"DATABASE_URL": database} if database else {})
        try:
            done = subprocess.run(
                [release.python, *JOBS[job], *arguments],
                cwd=release.code,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                **self._who(),
            )
        except subprocess.TimeoutExpired:
            return JobResult(124, time.monotonic() - begun, f"It did not end within {timeout:.0f} s.")
        return JobResult(done.returncode, time.monotonic() - begun, (done.stdout + done.stderr)[-2000:].strip())

    def swap_role(self, role: str, release: Release, grace: float) -> bool:
        """The new one beside the old where two may be; else one after the other."""
        if self.observe(role).release == release.version and not self.observe(f"{role}-old").pid:
            return True
        if role in OVERLAPPING:
            if self.observe(role).release != release.version:
                if self.observe(role).pid:
                    (self._folder / f"{role}.json").replace(self._folder / f"{role}-old.json")
                self.start_role(role, release)
                self._settle(role, release)
            # Ends warm: what it works on is finished; what it cannot finish in time is taken over by lease.
            return self.stop(f"{role}-old", grace)
        ended = self.stop(role, grace)
        self.start_role(role, release)
        self._settle(role, release)
        return ended

    def _settle(self, role: str, release: Release) -> None:
        end = time.monotonic() + SETTLED_SECONDS
        while time.monotonic() < end:
            if self.observe(role).release != release.version:
                raise DeployError(
                    f"The {role} of {release.version} ended at once.", f"Look at {self._logs / role}.log."
                )
            time.sleep(0.1)


def _names(role: str, most: int) -> list[str]:
    return [role, *(f"{role}-{number}" for number in range(2, most + 1))]


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks; "" for none and for one that is dead but not buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
