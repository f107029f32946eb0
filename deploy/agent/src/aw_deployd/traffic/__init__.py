"""How requests get to versions: one proxy, of several kinds. What it does is read from it, never from our own notes."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused, Stale

PROBE_HEADER = "X-AW-Probe"


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets which part of the requests.

    Args:
        base: slots that serve everybody else, with weights that add up to 100.
        canary: slot that serves the people with the lowest numbers; "" for none.
        percent: how many of a hundred.
    """

    base: Mapping[str, int]
    canary: str = ""
    percent: int = 0

    def __post_init__(self) -> None:
        """Refuse shares that do not add up.

        Raises:
            Refused: with the shares.
        """
        if sum(self.base.values()) != 100 or any(weight < 0 for weight in self.base.values()):
            raise Refused(f"The weights {dict(self.base)} do not add up to 100.")
        if bool(self.canary) != (0 < self.percent < 100) or self.base.get(self.canary, 0):
            raise Refused(f"{self.percent} % for '{self.canary}' beside {dict(self.base)} is no canary.")

    def of(self, slot: str) -> float:
        """Percent of the people that a slot serves."""
        if slot == self.canary:
            return float(self.percent)
        return self.base.get(slot, 0) * (100 - self.percent) / 100

    @classmethod
    def only(cls, *slots: str) -> Shares:
        """Evenly between these."""
        weight, more = divmod(100, len(slots))
        return cls({slot: weight + (number < more) for number, slot in enumerate(slots)})


@dataclass(frozen=True, slots=True)
class Observed:
    """What the proxy does now.

    Args:
        shares: None when it does not answer, or sends nothing anywhere.
        up: slots that it calls up.
    """

    shares: Shares | None
    up: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Counters:
    """What a slot has answered to people since the proxy began to count.

    Args:
        errors: 5xx, and answers that broke off.
        open: requests that are under way.
        milliseconds: how long the last ones took, as far as the proxy tells.
        users: marks of people, and of those who met an error.
    """

    n: int = 0
    errors: int = 0
    connect_errors: int = 0
    open: int = 0


@dataclass(slots=True)
class Lines:
    """What the proxy's log told since the last look, by slot.

    Args:
        milliseconds: until the answer began.
        people: marks of those who asked; hurt: of those who met an error.
    """

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    hurt: set[str] = field(default_factory=set)

    def add(self, slot: str, status: int, milliseconds: float, who: str) -> None:
        """A request of a person."""
        self.milliseconds.setdefault(slot, []).append(milliseconds)
        if who:
            self.people.add(who)
            if status >= 500:
                self.hurt.add(who)


class TrafficDriver(Protocol):
    """One kind of proxy.

    Attributes:
        by_people: a canary gets the same people from stage to stage.
        splits: it can give a version a part of the requests at all.
        holds: requests wait while the only version is exchanged.
    """

    by_people: bool
    splits: bool
    holds: bool

    def render(self, shares: Shares) -> None:
        """Write the proxy's configuration, so that it starts with these shares."""

    def command(self) -> list[str]:
        """How the proxy is started in the foreground."""

    def read_shares(self) -> Shares | None:
        """What it does now, without a look at the versions, which may be slow to answer; None when it does not answer."""

    def observe(self) -> Observed:
        """What it does now."""

    def set_shares(self, shares: Shares, fence: int) -> None:
        """Change it, and keep the change for its next start."""

    def probe_headers(self, slot: str) -> dict[str, str]:
        """Headers that lead a request to a slot, whatever the shares are."""

    def probe_address(self, slot: str) -> str:
        """Where a request with those headers is sent."""

    def counters(self, slot: str) -> Counters:
        """Of people's requests."""

    def listen(self) -> None:
        """Begin to read the log."""

    def heard(self) -> Lines:
        """What it told since the last look."""

    def hold(self, slot: str, holding: bool) -> None:
        """Have requests wait while the only version is exchanged."""


class Kept:
    """What every driver keeps on the disk: the shares with their fencing number, and the secret of the probes.

    Args:
        environment: whose proxy.
    """

    splits = True
    holds = True

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.folder = environment.socket_folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    @property
    def secret(self) -> str:
        """Known to the agent and the proxy: who has it may choose a version."""
        path = self.folder / "probe.secret"
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(handle, secrets.token_hex(16).encode())
            os.close(handle)
        return path.read_text(encoding="ascii")

    def shares(self) -> Shares | None:
        """The last that were set."""
        kept = self._read()
        return Shares(kept["base"], kept["canary"], kept["percent"]) if kept else None

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "shares.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    @contextmanager
    def fenced(self, shares: Shares, fence: int) -> Iterator[None]:
        """Change the proxy inside: nobody with a lower number does, nor two at once.

        Raises:
            Stale: a higher number was here.
        """
        with (self.folder / "shares.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if fence < self._read().get("fence", 0):
                raise Stale(f"Number {fence} may not change the proxy any more.")
            kept = {"fence": fence, "base": dict(shares.base), "canary": shares.canary, "percent": shares.percent}
            write(self.folder / "shares.json", json.dumps(kept))
            yield

    def probe_headers(self, slot: str) -> dict[str, str]:
        """The secret, and the slot."""
        return {PROBE_HEADER: f"{self.secret}:{slot}"}

    def probe_address(self, slot: str) -> str:
        """The proxy's, whatever the slot."""
        return self.environment.listen


def write(path: Path, text: str, mode: int = 0) -> None:
    """Whole or not at all."""
    new = path.with_suffix(path.suffix + ".new")
    new.write_text(text, encoding="utf-8")
    if mode:
        new.chmod(mode)
    new.replace(path)


def open_traffic(environment: Environment) -> TrafficDriver:
    """The driver that an environment names.

    Raises:
        Refused: there is none of that name.
    """
    from aw_deployd.traffic.caddy import Caddy
    from aw_deployd.traffic.compose import ComposeProxy
    from aw_deployd.traffic.gateway import Gateway
    from aw_deployd.traffic.haproxy import HAProxy
    from aw_deployd.traffic.kubernetes import ServiceFlip
    from aw_deployd.traffic.nginx import Nginx
    from aw_deployd.traffic.traefik import Traefik

    drivers: dict[str, type[Any]] = {"haproxy": HAProxy, "caddy": Caddy, "traefik": Traefik, "nginx": Nginx}
    drivers |= {"kubernetes-service": ServiceFlip, "gateway": Gateway}
    if environment.runtime == "compose":
        drivers = {"compose": ComposeProxy}
    if environment.traffic not in drivers:
        raise Refused(f"traffic is '{environment.traffic}'.", f"Use one of: {', '.join(drivers)}.")
    driver: TrafficDriver = drivers[environment.traffic](environment)
    return driver


__all__ = ["Counters", "DeployError", "Kept", "Lines", "Observed", "Shares", "TrafficDriver", "open_traffic", "write"]
