"""A runtime and a proxy that exist in memory only, and can be made to fail: for the agent's own tests."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from aw_deployd.analysis import Counts
from aw_deployd.environment import Environment, Slot
from aw_deployd.errors import DeployError, Stale
from aw_deployd.probes import Result
from aw_deployd.release import Release, digest
from aw_deployd.runtime import JobResult, Running
from aw_deployd.traffic import Counters, Lines, Observed, Shares


class Dead(BaseException):
    """kill -9 at this place: no handler of the agent's may see it."""


class FakeRuntime:
    """Versions are names in a dictionary."""

    def __init__(self) -> None:
        self.running: dict[str, str] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.failing: set[str] = set()
        self.never_ready: set[str] = set()
        self.die_at = ""
        self.dead: list[tuple[str, str]] = []

    def _call(self, *words: Any) -> None:
        if self.die_at and self.die_at in "/".join(map(str, words)):
            self.die_at = ""
            raise Dead
        self.calls.append(words)

    def digests(self, release: Release) -> tuple[str, ...]:
        return (digest(release.code),)

    def previous(self, release: Release) -> tuple[str, ...]:
        return "--previous", str(release.code), "--python", release.python

    def observe(self, name: str) -> Running:
        version = self.running.get(name, "")
        return Running(version, 1 if version else 0)

    def start_web(self, slot: str, release: Release) -> None:
        self._call("start", slot, release.version)
        if slot not in self.running:
            self.running[slot] = release.version

    def start_role(self, role: str, release: Release) -> None:
        self.running[role] = release.version

    def several(self, role: str) -> list[Running]:
        names = sorted(name for name in self.running if name == role or name.startswith(f"{role}-"))
        return [Running(self.running[name], 1) for name in names]

    def set_several(self, role: str, count: int, release: Release) -> None:
        self._call("several", role, count, release.version)
        wanted = [role, *(f"{role}-{number}" for number in range(2, count + 1))][:count]
        self.running = {k: v for k, v in self.running.items() if k in wanted or k.partition("-")[0] != role}
        for name in wanted:
            self.running.setdefault(name, release.version)

    def stop(self, name: str, grace: float) -> bool:
        self._call("stop", name, self.running.get(name, ""))
        self.running.pop(name, None)
        return True

    def fallen(self) -> list[tuple[str, str]]:
        return self.dead

    def run_job(
        self, release: Release, job: str, timeout: float, arguments: tuple[str, ...] = (), database: str = ""
    ) -> JobResult:
        self._call("job", job, release.version)
        return JobResult(1 if job in self.failing else 0, 0.0, f"{job} says so")

    def swap_role(self, role: str, release: Release, grace: float) -> bool:
        self._call("swap", role, release.version)
        self.running[role] = release.version
        return True


class FakeTraffic:
    """Answers what it was told; counts are given by the test, each look adds `rates`."""

    by_people = splits = holds = True

    def __init__(self, shares: Shares, runtime: FakeRuntime) -> None:
        self.shares: Shares | None = shares
        self.runtime = runtime
        self.history: list[Shares] = []
        self.fence = 0
        self.blind: set[str] = set()
        self.rates: dict[str, tuple[int, int]] = {}
        self.open: dict[str, int] = {}
        self._counted: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self.die_at_share = -1
        self.held: list[tuple[str, bool]] = []
        self.deaf = False

    def render(self, shares: Shares) -> None:
        self.shares = shares

    def command(self) -> list[str]:
        return []

    def read_shares(self) -> Shares | None:
        return self.shares

    def observe(self) -> Observed:
        return Observed(self.shares, frozenset(self.runtime.running) - self.blind)

    def set_shares(self, shares: Shares, fence: int) -> None:
        if fence < self.fence:
            raise Stale("older")
        if shares.percent == self.die_at_share:
            self.die_at_share = -1
            raise Dead
        for slot in {*shares.base, *([shares.canary] if shares.canary else [])}:
            if shares.of(slot) and slot not in self.runtime.running:
                raise DeployError(f"nobody runs in {slot}")
        self.fence = fence
        if not self.deaf:
            self.shares = shares
            self.history.append(shares)

    def probe_headers(self, slot: str) -> dict[str, str]:
        return {}

    def probe_address(self, slot: str) -> str:
        return ""

    def counters(self, slot: str) -> Counters:
        counted, rate = self._counted[slot], self.rates.get(self.runtime.running.get(slot, ""), (0, 0))
        serves = self.shares is not None and self.shares.of(slot) > 0
        if serves:
            counted[0] += rate[0]
            counted[1] += rate[1]
        return Counters(counted[0], counted[1], 0, self.open.get(slot, 0))

    def listen(self) -> None:
        return

    def heard(self) -> Lines:
        return Lines()

    def hold(self, slot: str, holding: bool) -> None:
        self.held.append((slot, holding))


class FakeProbes:
    """Probes whose outcome the test says, by version."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self.runtime = runtime
        self.bad_smoke: set[str] = set()
        self.each_look: dict[str, tuple[int, int]] = {}
        self._counted: dict[str, list[int]] = {}

    def smoke(self, slot: str) -> tuple[list[Result], str]:
        return [], "sign-in page (500)" if self.runtime.running[slot] in self.bad_smoke else ""

    def start(self, slots: tuple[str, ...], rate: float) -> None:
        self._counted = {slot: [0, 0] for slot in slots}

    def stop(self) -> None:
        return

    def counts(self, slot: str) -> tuple[Counts, str]:
        counted, look = self._counted.get(slot, [0, 0]), self.each_look.get(self.runtime.running.get(slot, ""), (0, 0))
        counted[0] += look[0]
        counted[1] += look[1]
        return Counts(counted[0], counted[1], 10.0 if counted[0] else None), ""


def environment(folder: Path, slots: int = 2) -> Environment:
    """An environment with releases 1.0 and 2.0."""
    for version in ("1.0", "2.0"):
        place = folder / "releases" / version
        (place / "app").mkdir(parents=True, exist_ok=True)
        (place / "release.json").write_text(f'{{"version": "{version}"}}')
        (place / "app" / "code.py").write_text(version)
    names = ("blue", "green", "red")[:slots]
    return Environment(
        name="lab",
        state=folder / "state",
        releases=folder / "releases",
        data=folder / "data",
        slots=tuple(Slot(name, f"127.0.0.1:{18000 + number}") for number, name in enumerate(names)),
        runtime="processes",
        traffic="haproxy",
        listen="127.0.0.1:18080",
        drain_seconds=0.05,
        start_seconds=0.2,
    )
