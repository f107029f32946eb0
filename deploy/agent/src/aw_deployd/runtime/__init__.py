"""How versions run: as processes of the agent's own user, as units of systemd, as containers of Compose, as Deployments of Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aw_deployd.environment import Environment
from aw_deployd.errors import Refused
from aw_deployd.release import Release

# What a release is asked to do, by name: no line of a plan ever becomes a command.
JOBS: dict[str, tuple[str, ...]] = {
    "check": ("manage.py", "check"),
    "rehearse": ("manage.py", "rehearse_migrations"),
    "prepare": ("manage.py", "prepare", "--phase", "expand"),
    "fit": ("manage.py", "schema_fit"),
    "contract": ("manage.py", "migrate", "--phase", "contract"),
}
# Overlaps with its successor, and may be there several times; of the others there is never a second one.
OVERLAPPING = ("worker",)


@dataclass(frozen=True, slots=True)
class Running:
    """What runs in a slot or for a role; release "" for nothing.

    Args:
        pid: 0 where it is no process of this host.
        whole: all of it is there, where it consists of several.
        trouble: why it cannot start, where the runtime knows; "" for nothing.
    """

    release: str = ""
    pid: int = 0
    whole: bool = True
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended."""

    code: int
    seconds: float
    tail: str


class RuntimeDriver(Protocol):
    """Starts, stops and observes; what it tells is always looked up, never remembered."""

    def digests(self, release: Release) -> tuple[str, ...]:
        """By which the release is known, the one for a manifest first; a release of another kind is refused."""

    def previous(self, release: Release) -> tuple[str, ...]:
        """Where the job `rehearse` finds the version before, as its arguments."""

    def observe(self, name: str) -> Running:
        """What runs in the slot, or for the role, of this name."""

    def start_web(self, slot: str, release: Release) -> None:
        """Start a web process in a slot; nothing when it runs already."""

    def start_role(self, role: str, release: Release) -> None:
        """Start another part."""

    def several(self, role: str) -> list[Running]:
        """All that run of a role which may be there more than once, the first before the others."""

    def set_several(self, role: str, count: int, release: Release) -> None:
        """Start as many as are missing; ask those that are too many to end, and wait for none."""

    def stop(self, name: str, grace: float) -> bool:
        """Ask it to end, wait, then kill. Returns whether it ended by itself."""

    def fallen(self) -> list[tuple[str, str]]:
        """Names and versions of what ended unasked, where nobody else starts it again."""

    def run_job(
        self, release: Release, job: str, timeout: float, arguments: tuple[str, ...] = (), database: str = ""
    ) -> JobResult:
        """Run one of `JOBS` with the code of a release."""

    def swap_role(self, role: str, release: Release, grace: float) -> bool:
        """Have another release do the work of a role. Returns whether the one before ended by itself."""


def open_runtime(environment: Environment) -> RuntimeDriver:
    """The driver that an environment names.

    Raises:
        Refused: there is none of that name.
    """
    from aw_deployd.runtime.compose import Compose
    from aw_deployd.runtime.kubernetes import Kubernetes
    from aw_deployd.runtime.processes import Processes
    from aw_deployd.runtime.systemd import Systemd

    if environment.runtime == "processes":
        return Processes(environment)
    if environment.runtime == "systemd":
        return Systemd(environment)
    if environment.runtime == "compose":
        return Compose(environment)
    if environment.runtime == "kubernetes":
        return Kubernetes(environment)
    raise Refused(f"runtime is '{environment.runtime}'.", "Use processes, systemd, compose or kubernetes.")
