"""A Debian whose first process is systemd, as a container without a network, for programs that install things on a machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from tests.lab.engine import SERVICES, SUITE, Engine
from tests.proofs import until


class Machine:
    """The container; it goes with its engine.

    Args:
        engine: that runs.
        name: of the container.
        wheels: folder that is seen as /wheels.
    """

    def __init__(self, engine: Engine, name: str, wheels: Path) -> None:
        self._engine, self.name = engine, name
        engine.base("services", SERVICES)
        engine.run(
            "run", "-d", "--name", name, "--hostname", "portal1", "--network", "none",
            "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "seccomp=unconfined", "--cgroupns", "private",
            "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec", "-e", "container=docker",
            "-v", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw", "-v", f"{wheels}:/wheels:ro",
            f"aiwriter/services:{SUITE}", "/lib/systemd/systemd", "--system",
        )  # fmt: skip
        up = ("running", "degraded")
        until(lambda: self.said("systemctl", "is-system-running").strip() in up, 120, "no systemd")
        self._without_namespaces_of_users()

    def said(self, *words: str) -> str:
        """What a command in it says, whether or not it succeeds."""
        with contextlib.suppress(RuntimeError):
            return self._engine.run("exec", self.name, *words)
        done = self.done(*words)
        return done.stdout + done.stderr

    def done(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in it."""
        command = [self._engine.docker, "exec", self.name, *words]
        variables = {**os.environ, "DOCKER_HOST": self._engine.host}
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    def is_active(self, unit: str) -> bool:
        """Whether systemd calls a unit active."""
        return self.said("systemctl", "is-active", unit).strip() == "active"

    def _without_namespaces_of_users(self) -> None:
        """In a container units that ask for one of their own do not start; on a machine they do. Debian's Redis is such a one."""
        print("  PrivateUsers= is off in the container", flush=True)
        script = (
            "for unit in $(grep -lE '^PrivateUsers=(true|yes|1)' /lib/systemd/system/*.service); do "
            "folder=/etc/systemd/system/$(basename $unit).d; mkdir -p $folder; "
            "printf '[Service]\nPrivateUsers=no\n' > $folder/lab.conf; done; systemctl daemon-reload"
        )
        self._engine.run("exec", self.name, "sh", "-c", script)
