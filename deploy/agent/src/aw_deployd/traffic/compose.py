"""The proxy of the Compose installation itself: HAProxy in its container, with TLS and limits, steered as flip.py steers it.

It reads deploy/compose/haproxy/agent.cfg too, which gives the agent an entrance in `run/` that nobody else can reach. The
container is never started, stopped or exchanged by a roll-out.
"""

from __future__ import annotations

from aw_deployd.compose import Project
from aw_deployd.environment import Environment
from aw_deployd.errors import Stale
from aw_deployd.traffic import PROBE_HEADER, Observed, Shares, write
from aw_deployd.traffic.haproxy import HAProxy


class ComposeProxy(HAProxy):
    """The driver.

    Args:
        environment: whose proxy.
    """

    backend, anyway = "app", "anyway"
    map_name = "/usr/local/etc/haproxy/pct.map"
    # The proxy's user is another one, whatever the agent's umask is.
    readable = 0o644

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._project = Project(environment)
        run = self._project.folder / "run"
        self.socket = run / "admin.sock"
        self._states = run / "server-state"
        self._log = run / "agent.log"
        self._map = self._project.folder / "haproxy" / "pct.map"
        # There while a change is not known to stand in .env too: then it is made once more.
        self._half = self.folder / "half"

    def render(self, shares: Shares) -> None:
        """The map alone: the rest of its configuration is the installation's."""
        write(self._map, self._map_text(shares), self.readable)

    def command(self) -> list[str]:
        """Once, so that it reads agent.cfg."""
        return ["docker", "compose", "up", "-d", "--no-deps", "proxy"]

    def probe_headers(self, slot: str) -> dict[str, str]:
        """No secret: the header counts in the agent's own entrance only."""
        return {PROBE_HEADER: slot}

    def observe(self) -> Observed:
        """As HAProxy does; without the agent's entrance it is not the agent's proxy."""
        if not (self._project.folder / "run" / "agent.sock").exists():
            return Observed(None)
        return super().observe()

    def read_shares(self) -> Shares | None:
        """As observed; of a change that broke off it is not known whether every later start goes on with it."""
        return None if self._half.exists() else super().read_shares()

    def set_shares(self, shares: Shares, fence: int) -> None:
        """In the proxy, in what it reads at its start, and in .env."""
        with self._project.alone():
            known = not self._half.exists()
            self._half.touch()
            try:
                super().set_shares(shares, fence)
            except Stale:
                # Refused before anything was changed.
                if known:
                    self._half.unlink()
                raise
            self._project.serve([slot.name for slot in self.environment.slots if shares.base.get(slot.name)])
            self._half.unlink()
