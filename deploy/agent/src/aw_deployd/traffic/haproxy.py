"""HAProxy, the reference: changed at run time through its socket, counted by its own counters, timed by its log.

It stays on the new version when it is started again: the shares stand in its configuration, in the map and in the file of
server states, all written with every change. (A plain reload sent everybody back to the old version in a measurement.)
"""

from __future__ import annotations

import csv
import io
import socket
import threading
import time
from pathlib import Path

from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError
from aw_deployd.traffic import PROBE_HEADER, Counters, Kept, Lines, Observed, Shares, write

_BACKEND = "portal"
# The same servers without checks, for when the checks say that nobody is there: a version that is merely busy, or will be
# started again in a moment, is worth the wait. Without it the proxy turned everybody away at once.
_ANYWAY = "portal_anyway"


class HAProxy(Kept):
    """The driver.

    Args:
        environment: whose proxy.
    """

    by_people = True
    backend, anyway = _BACKEND, _ANYWAY
    # By which the running proxy knows the map; "" for the path of the file.
    map_name = ""
    # Of files that it reads at its start; 0: as the agent makes them.
    readable = 0

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.socket = self.folder / "haproxy.sock"
        self.config = self.folder / "haproxy.cfg"
        self._map = self.folder / "haproxy.map"
        self._states = self.folder / "haproxy.states"
        self._log = self.folder / "haproxy.log.sock"
        self._tap: _Tap | None = None

    # ------------------------------------------------------------ configuration
    def render(self, shares: Shares) -> None:
        """The whole configuration, the map, and no states of servers that it would contradict."""
        slots = self.environment.slots
        secret = self.secret
        lines = [
            "global",
            f"  stats socket {self.socket} mode 600 level admin expose-fd listeners",
            f"  server-state-file {self._states}",
            f"  log {self._log} len 512 format raw local0",
            "  maxconn 4000",
            "defaults",
            "  mode http",
            "  log global",
            "  option dontlognull",
            "  load-server-state-from-file global",
            "  timeout connect 2s",
            "  timeout client 120s",
            # Streams send a sign of life every 15 s.
            "  timeout server 120s",
            "  timeout queue 30s",
            # Else it is the interval of the checks, and a version that is merely busy is called down, with the whole site.
            "  timeout check 10s",
            "  timeout http-keep-alive 75s",
            # No connection is kept to a version: one that ends would close it just when a request is sent on it.
            "  option http-server-close",
            "  option redispatch",
            "  retries 30",
            "  retry-on conn-failure",
            "frontend entrance",
            f"  bind {self.environment.listen}",
            "  option forwardfor",
            # People with a cookie by its number, programs by their token; whoever has neither stays with the old version.
            "  http-request set-var(txn.bucket) int(100)",
            "  http-request set-var(txn.who) str(0)",
            "  http-request set-var(txn.bucket) req.hdr(authorization),crc32(1),mod(100) if { req.hdr(authorization) -m found }",
            "  http-request set-var(txn.bucket) req.cook(aw_bucket) if { req.cook(aw_bucket) -m reg ^[0-9][0-9]?$ }",
            "  http-request set-var(txn.who) req.hdr(authorization),xxh64(7) if { req.hdr(authorization) -m found }",
            *(
                f"  http-request set-var(txn.who) req.cook({name}),xxh64(7) if {{ req.cook({name}) -m found }}"
                for name in ("sessionid", "__Host-session")
            ),
        ]
        for slot in slots:
            lines += [
                f"  http-request set-var(txn.share_{slot.name}) str({slot.name}),map_str_int({self._map},0)",
                f"  http-request set-var(txn.to_{slot.name}) var(txn.bucket),sub(txn.share_{slot.name})",
                f"  acl probe_{slot.name} req.hdr({PROBE_HEADER}) -m str {secret}:{slot.name}",
            ]
        # Whoever serves a part of the people has been found good, and takes all of them while the others are down.
        lines += [
            f"  http-request set-var(txn.spare) str({slot.name}) if {{ srv_is_up({_BACKEND}/{slot.name}) }}"
            f" {{ var(txn.share_{slot.name}) -m int gt 0 }}"
            for slot in slots
        ]
        lines += [f"  use_backend probe_{slot.name} if probe_{slot.name}" for slot in slots]
        lines += [
            f"  use_backend {_ANYWAY} if {{ nbsrv({_BACKEND}) eq 0 }} !{{ var(txn.spare) -m found }}",
            '  log-format "aw %s %ST %Tr %[var(txn.who)] %b"',
            f"  default_backend {_BACKEND}",
            f"backend {_BACKEND}",
            "  balance roundrobin",
            # Here and not before: rules of the entrance run before the backend is chosen by that header.
            f"  http-request del-header {PROBE_HEADER}",
            "  option httpchk GET /readyz",
            f"  http-check send hdr Host {self.environment.host_header}",
        ]
        for slot in slots:
            lines.append(f"  use-server {slot.name} if {{ var(txn.to_{slot.name}) -m int lt 0 }}")
            lines.append(
                f"  use-server {slot.name} if {{ nbsrv({_BACKEND}) eq 0 }} {{ var(txn.spare) -m str {slot.name} }}"
            )
        for slot in slots:
            weight = shares.base.get(slot.name, 0)
            lines.append(
                f"  server {slot.name} {slot.address} check inter 500ms fastinter 200ms rise 1 fall 2 weight {weight}"
            )
        lines += [f"backend {_ANYWAY}", "  balance roundrobin", f"  http-request del-header {PROBE_HEADER}"]
        for slot in slots:
            lines.append(f"  server {slot.name} {slot.address} weight {shares.base.get(slot.name, 0)}")
        # Probes are counted apart, and follow the health that the proxy has found.
        for slot in slots:
            lines += [
                f"backend probe_{slot.name}",
                f"  http-request del-header {PROBE_HEADER}",
                f"  server {slot.name} {slot.address} track {_BACKEND}/{slot.name}",
            ]
        write(self.config, "\n".join(lines) + "\n")
        write(self._map, self._map_text(shares))

    def _map_text(self, shares: Shares) -> str:
        return "".join(f"{slot.name} {self._percent(shares, slot.name)}\n" for slot in self.environment.slots)

    @staticmethod
    def _percent(shares: Shares, slot: str) -> int:
        return shares.percent if slot == shares.canary else 0

    def command(self) -> list[str]:
        """In the foreground; with -x it would take over the listeners of one that runs."""
        if not self._states.exists():
            self._states.touch()
        return [self.environment.binary or "haproxy", "-db", "-f", str(self.config)]

    # ------------------------------------------------------------ the socket
    def say(self, command: str) -> str:
        """One command of the run-time interface.

        Raises:
            DeployError: the proxy does not answer, or does not like it.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
                wire.settimeout(3)
                wire.connect(str(self.socket))
                wire.sendall(command.encode() + b"\n")
                parts = []
                while part := wire.recv(65536):
                    parts.append(part)
        except OSError as error:
            raise DeployError(f"HAProxy does not answer at {self.socket}: {error}.", "Start it.") from error
        answer = b"".join(parts).decode()
        if not command.startswith("show") and answer.strip():
            raise DeployError(f"HAProxy refused '{command}': {answer.strip()}.")
        return answer

    def _servers(self, backend: str = "") -> dict[str, dict[str, str]]:
        wanted = backend or self.backend
        table = self.say("show stat").removeprefix("# ")
        return {row["svname"]: row for row in csv.DictReader(io.StringIO(table)) if row["pxname"] == wanted}

    # ------------------------------------------------------------ observing
    def observe(self) -> Observed:
        """Weights and health from the counters' table, percent from the map in its memory."""
        try:
            servers = self._servers()
            lines = [line.split() for line in self.say(f"show map {self.map_name or self._map}").splitlines()]
        except DeployError:
            return Observed(None)
        names = [slot.name for slot in self.environment.slots]
        up = frozenset(name for name in names if servers[name]["status"].startswith(("UP", "DRAIN", "no check")))
        percents = {line[1]: int(line[2]) for line in lines if len(line) == 3 and line[2].isdigit()}
        canaries = [(name, percent) for name, percent in percents.items() if percent]
        base = {name: int(servers[name]["weight"]) for name in names}
        # One without the slots in its map is not one that can be told to.
        if sum(base.values()) != 100 or len(canaries) > 1 or not percents.keys() >= set(names):
            return Observed(None, up)
        canary, percent = canaries[0] if canaries else ("", 0)
        return Observed(Shares({name: weight for name, weight in base.items() if weight}, canary, percent), up)

    def read_shares(self) -> Shares | None:
        """As observed: its health checks go on by themselves."""
        return self.observe().shares

    def counters(self, slot: str) -> Counters:
        """From the proxy's own table."""
        rows = [self._servers(backend)[slot] for backend in (self.backend, self.anyway)]

        def number(name: str) -> int:
            return sum(int(row.get(name) or 0) for row in rows)

        answered = sum(number(f"hrsp_{kind}") for kind in ("1xx", "2xx", "3xx", "4xx", "5xx", "other"))
        broken = number("eresp")
        return Counters(answered + broken, number("hrsp_5xx") + broken, number("econ"), number("scur"))

    def listen(self) -> None:
        """Take the datagrams of the log."""
        if self._tap is None:
            slots = {slot.name for slot in self.environment.slots}
            self._tap = _Tap(str(self._log), slots, (self.backend, self.anyway))

    def heard(self) -> Lines:
        """Since the last look."""
        return self._tap.take() if self._tap else Lines()

    # ------------------------------------------------------------ acting
    def set_shares(self, shares: Shares, fence: int) -> None:
        """Add before taking away: at no moment is there nobody to serve."""
        with self.fenced(shares, fence):
            self.render(shares)
            names = [slot.name for slot in self.environment.slots]
            for name in sorted(names, key=lambda each: -shares.base.get(each, 0)):
                for backend in (self.backend, self.anyway):
                    self.say(f"set server {backend}/{name} weight {shares.base.get(name, 0)}")
            for name in names:
                self.say(f"set map {self.map_name or self._map} {name} {self._percent(shares, name)}")
            write(self._states, self.say("show servers state"), self.readable)

    def hold(self, slot: str, holding: bool) -> None:
        """Without a health check the server stays up, and a connection that is refused is tried again each second."""
        if holding:
            self.say(f"disable health {self.backend}/{slot}")
            self.say(f"set server {self.backend}/{slot} health up")
        else:
            self.say(f"enable health {self.backend}/{slot}")


class _Tap:
    """Reads the proxy's log in a thread. What comes while nobody reads is lost, and only times come from here."""

    def __init__(self, path: str, slots: set[str], backends: tuple[str, str]) -> None:
        self._slots, self._backends = slots, backends
        self._lines = Lines()
        self._lock = threading.Lock()
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        Path(path).unlink(missing_ok=True)
        self._wire.bind(path)
        # The proxy may be another user's; who gets into the folder at all is decided by the folder.
        Path(path).chmod(0o666)
        threading.Thread(target=self._read, name="haproxy-log", daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                words = self._wire.recv(2048).decode("latin-1").split()
            except OSError:
                time.sleep(0.1)
                continue
            if "aw" not in words:
                continue
            words = words[words.index("aw") :]
            if len(words) >= 6 and words[1] in self._slots and words[5] in self._backends:
                milliseconds = float(words[3])
                with self._lock:
                    who = "" if words[4] in ("0", "-") else words[4]
                    self._lines.add(words[1], int(words[2]), max(0.0, milliseconds), who)

    def take(self) -> Lines:
        """What was read, and begin anew."""
        with self._lock:
            found, self._lines = self._lines, Lines()
        return found
