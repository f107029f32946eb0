"""The agent's own requests: labelled, through the proxy, to the paths that people use. Each version gets the same ones.

A site with few visitors tells nothing about a version within minutes; probes do. They go through the proxy, so that its
routing is tried as well, and are counted apart from people's requests.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from aw_deployd import web
from aw_deployd.analysis import Counts, percentile
from aw_deployd.environment import Environment
from aw_deployd.traffic import TrafficDriver

# What everybody may ask; statuses that mean that it works.
PUBLIC: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("ready", "/readyz", (200,)),
    ("sign-in page", "/accounts/login/", (200,)),
    ("entrance", "/", (200, 302)),
    ("refusal", "/api/v1/content", (401,)),
)
# With a token: what a writer does, in a workspace of its own. The text is written by the model that the workspace chose.
SIGNED: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    # 429: more than the token may; that a limit holds is no fault of a version.
    ("who am I", "/api/v1/me", (200, 429)),
    ("documents", "/api/v1/content?limit=10", (200, 429)),
    ("search", "/api/v1/content?q=canary", (200, 429)),
)
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """A probe's answer."""

    name: str
    ok: bool
    status: int
    milliseconds: float


@dataclass(slots=True)
class _Tally:
    n: int = 0
    errors: int = 0
    milliseconds: list[float] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)


class Probes:
    """Sends them.

    Args:
        environment: where to.
        traffic: knows the headers that lead to a slot.
    """

    def __init__(self, environment: Environment, traffic: TrafficDriver) -> None:
        self._environment = environment
        self._traffic = traffic
        self._token = environment.probe_token.read_text(encoding="ascii").strip() if environment.probe_token else ""
        self._lock = threading.Lock()
        self._tallies: dict[str, _Tally] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.set: list[tuple[str, str, tuple[int, ...]]] = [*PUBLIC, *(SIGNED if self._token else ())]
        self.set += [(path, path, (200, 302)) for path in environment.probe_paths]

    def send(self, slot: str, probe: tuple[str, str, tuple[int, ...]]) -> Result:
        """One of them."""
        name, path, good = probe
        headers = {"Host": self._environment.host_header, **self._traffic.probe_headers(slot)}
        if self._token and probe in SIGNED:
            headers["Authorization"] = f"Bearer {self._token}"
        answer = web.ask(self._traffic.probe_address(slot), path, headers=headers, timeout=TIMEOUT)
        return Result(name, answer.status in good, answer.status, answer.seconds * 1000)

    def smoke(self, slot: str) -> tuple[list[Result], str]:
        """The whole set once, the failing ones twice; and, with a token, a document that is made, changed and removed.

        Returns:
            all results, and the name of one that failed twice.
        """
        results = []
        for probe in self.set:
            first = self.send(slot, probe)
            results.append(first)
            if not first.ok:
                second = self.send(slot, probe)
                results.append(second)
                if not second.ok:
                    return results, f"{probe[0]} ({second.status or 'no answer'})"
        if self._token:
            written = self._write(slot)
            results.append(written)
            if not written.ok:
                written = self._write(slot)
                results.append(written)
                if not written.ok:
                    return results, f"{written.name} ({written.status or 'no answer'})"
        return results, ""

    def _write(self, slot: str) -> Result:
        begun = time.monotonic()
        headers = {
            "Host": self._environment.host_header,
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            **self._traffic.probe_headers(slot),
        }

        def ask(method: str, path: str, body: dict[str, Any] | None = None) -> web.Answer:
            data = json.dumps(body).encode() if body is not None else None
            address = self._traffic.probe_address(slot)
            return web.ask(address, path, method=method, body=data, headers=headers, timeout=TIMEOUT)

        made = ask("POST", "/api/v1/content", {"title": "Canary", "body_markdown": "Made by the deployment agent."})
        if made.status != 201:
            return Result("make a document", False, made.status, (time.monotonic() - begun) * 1000)
        identifier = json.loads(made.body)["id"]
        for name, method, good in (("read a document", "GET", 200), ("remove a document", "DELETE", 204)):
            answer = ask(method, f"/api/v1/content/{identifier}")
            if answer.status != good:
                return Result(name, False, answer.status, (time.monotonic() - begun) * 1000)
        return Result("make, read and remove a document", True, 201, (time.monotonic() - begun) * 1000)

    # ------------------------------------------------------------ a steady stream of them
    def start(self, slots: tuple[str, ...], rate: float) -> None:
        """Send `rate` a second to each of the slots until `stop`."""
        self.stop()
        self._stop = threading.Event()
        self._tallies = {slot: _Tally() for slot in slots}
        if rate <= 0:
            return
        for slot in slots:
            thread = threading.Thread(
                target=self._run, args=(slot, rate, self._stop), name=f"probes-{slot}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Send no more; wait for those that are under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT)
        self._threads = []

    def _run(self, slot: str, rate: float, stop: threading.Event) -> None:
        number = 0
        due = time.monotonic()
        while not stop.is_set():
            result = self.send(slot, self.set[number % len(self.set)])
            number += 1
            with self._lock:
                tally = self._tallies[slot]
                tally.n += 1
                tally.milliseconds.append(result.milliseconds)
                if result.ok:
                    tally.failing.pop(result.name, None)
                else:
                    tally.errors += 1
                    tally.failing[result.name] = tally.failing.get(result.name, 0) + 1
            due = max(due + 1 / rate, time.monotonic())
            stop.wait(max(0.0, due - time.monotonic()))

    def counts(self, slot: str) -> tuple[Counts, str]:
        """Since `start`: the counts, and a probe that has failed twice in a row."""
        with self._lock:
            tally = self._tallies.get(slot, _Tally())
            twice = next((name for name, times in tally.failing.items() if times >= 2), "")
            return Counts(tally.n, tally.errors, percentile(tally.milliseconds)), twice
