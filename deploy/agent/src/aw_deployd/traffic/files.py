"""What Caddy, Traefik and nginx have in common: a configuration made from the shares, and a log of lines to count from.

They know people by the bucket's cookie, matched by a pattern of its numbers, and count nothing by version themselves; so
each writes one line for a request, with the address that answered, and the lines are counted here.
"""

from __future__ import annotations

import time
from pathlib import Path

from aw_deployd import web
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError
from aw_deployd.traffic import Counters, Kept, Lines, Observed, Shares

SAME_ANSWERS = 6


class FromFiles(Kept):
    """The common part; a proxy adds `render`, `reload`, `read_shares` and `parse`.

    Args:
        environment: whose proxy.
    """

    by_people = True
    reload_seconds = 10.0

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.access = self.folder / f"{environment.traffic}.access.log"
        self._at = 0
        self._counted: dict[str, list[int]] = {}
        self._lines = Lines()

    # ------------------------------------------------------------ of each proxy
    def render(self, shares: Shares) -> None:
        """Write the configuration."""
        raise DeployError("no proxy")

    def reload(self) -> None:
        """Have the running proxy take it."""
        raise DeployError("no proxy")

    def read_shares(self) -> Shares | None:
        """Of the configuration that the proxy runs with, asked from itself."""
        raise DeployError("no proxy")

    def parse(self, line: str) -> tuple[str, int, float] | None:
        """Address that answered, status, milliseconds; None for a line that is no person's request."""
        raise DeployError("no proxy")

    # ------------------------------------------------------------ common
    def observe(self) -> Observed:
        """The running configuration, and which slots answer through the proxy."""
        shares = self.read_shares()
        if shares is None:
            return Observed(None)
        up = frozenset(slot.name for slot in self.environment.slots if self._answers(slot.name))
        return Observed(shares, up)

    def _answers(self, slot: str) -> bool:
        headers = {"Host": self.environment.host_header, **self.probe_headers(slot)}
        return web.ask(self.environment.listen, "/readyz", headers=headers, timeout=5).status == 200

    def set_shares(self, shares: Shares, fence: int) -> None:
        """Write, reload, and wait until the proxy says that it works by it."""
        with self.fenced(shares, fence):
            self.render(shares)
            self.reload()
            end = time.monotonic() + self.reload_seconds
            same = 0
            # Several times: while nginx changes over, its old and its new processes answer by turns.
            while (same := same + 1 if self.read_shares() == shares else 0) < SAME_ANSWERS:
                if time.monotonic() > end:
                    raise DeployError("The proxy did not take its new configuration.", "Look at its log.")
                time.sleep(0.02)

    def hold(self, slot: str, holding: bool) -> None:
        """Nothing to do: a connection that is refused is tried again for as long as a request may wait."""

    def listen(self) -> None:
        """The log is a file; whoever looks reads on from where the last look ended."""
        self._count()

    def heard(self) -> Lines:
        """Since the last look."""
        self._count()
        found, self._lines = self._lines, Lines()
        return found

    def counters(self, slot: str) -> Counters:
        """From the lines so far. How many are under way is not known; a version that ends finishes them."""
        self._count()
        n, errors = self._counted.get(slot, [0, 0])
        return Counters(n, errors, 0, 0)

    def _count(self) -> None:
        try:
            size = self.access.stat().st_size
        except OSError:
            return
        if size < self._at:
            # Turned over: counted anew, which the judge notices.
            self._at, self._counted = 0, {}
        slots = {slot.address: slot.name for slot in self.environment.slots}
        with self.access.open("rb") as log:
            log.seek(self._at)
            data = log.read()
        whole = data.rfind(b"\n") + 1
        self._at += whole
        for line in data[:whole].decode("utf-8", "replace").splitlines():
            found = self.parse(line)
            slot = slots.get(found[0], "") if found else ""
            if found and slot:
                counted = self._counted.setdefault(slot, [0, 0])
                counted[0] += 1
                counted[1] += found[1] >= 500
                self._lines.add(slot, found[1], found[2], "")


def numbers_below(percent: int) -> str:
    """A pattern for the cookie's numbers that are below `percent`."""
    tens, ones = divmod(percent, 10)
    parts = ["[0-9]"] if tens else []
    if tens > 1:
        parts.append("[1-9][0-9]" if tens == 10 else f"[1-{tens - 1}][0-9]")
    if ones:
        prefix = str(tens) if tens else ""
        parts.append(f"{prefix}[0-{ones - 1}]")
    return f"({'|'.join(parts)})"


def cookie_below(percent: int) -> str:
    """A pattern for the whole Cookie header."""
    return rf"(^|;\s*)aw_bucket={numbers_below(percent)}(;|$)"


def folder_of(path: Path) -> Path:
    """Made when it is not there."""
    path.mkdir(parents=True, exist_ok=True)
    return path
