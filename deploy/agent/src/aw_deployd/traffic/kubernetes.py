"""Requests in a cluster. Here: what all its drivers share, and the plainest, a Service whose selector names the slot.

The fencing number and the shares stand as annotations on the object that is changed, and are written in the same request as the
change: whoever reads them reads what is so. A slot is up when the cluster itself would send requests there (EndpointSlices).
"""

from __future__ import annotations

import json
from typing import Any

from aw_deployd import web
from aw_deployd.cluster import (
    ENDPOINT_SLICES,
    PODS,
    SERVICES,
    Cluster,
    Kind,
    Missing,
    Object,
    Unreachable,
    annotations_of,
    labels,
)
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused, Stale
from aw_deployd.podmetrics import PodCounts
from aw_deployd.traffic import PROBE_HEADER, Counters, Kept, Lines, Observed, Shares

FENCE, SHARES, SLOT = "aiwriter/fence", "aiwriter/shares", "aiwriter/slot"
METRICS_SECONDS = 3.0


class InCluster(Kept):
    """The common part; a driver adds `kind`, `read` and `put`.

    Args:
        environment: `[options]` as for `Cluster`, and `counts`: "pods" asks the pods themselves, "proxy" asks through the API
            server, for an agent outside.
    """

    by_people = False
    holds = False
    kind: Kind

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.cluster = Cluster(environment)
        counts = str(environment.options.get("counts", "pods"))
        if counts not in ("pods", "proxy"):
            raise Refused(f"[options] counts is '{counts}'.", "Use pods or proxy.")
        self._by_proxy = counts == "proxy"
        self._pods: dict[str, Object] = {}
        self._counts = PodCounts(self._metrics)

    @property
    def name(self) -> str:
        """Of the object that is changed: the chart calls it like the release."""
        return str(self.environment.options.get("object", self.cluster.release))

    # ------------------------------------------------------------ of each driver
    def read(self, found: Object) -> Shares | None:
        """The shares that an object says, by its specification and, where it has one, its status."""
        raise DeployError("no driver")

    def put(self, found: Object, shares: Shares) -> None:
        """Change the object's specification."""
        raise DeployError("no driver")

    # ------------------------------------------------------------ common
    def command(self) -> list[str]:
        """None: the cluster runs the proxy."""
        return []

    def shares(self) -> Shares | None:
        """What is so; nothing else is kept."""
        return self.read_shares()

    def read_shares(self) -> Shares | None:
        """From the object, now."""
        try:
            return self.read(self.cluster.get(self.kind, self.name))
        except (Missing, Unreachable):
            return None

    def set_shares(self, shares: Shares, fence: int) -> None:
        """Write the change with the number, on top of what was read; what somebody wrote in between is read again.

        Raises:
            Stale: a higher number is there.
        """

        def edit(found: Object) -> bool:
            there = int(annotations_of(found).get(FENCE, 0))
            if there > fence:
                raise Stale(f"Number {fence} may not change {self.name} any more: {there} has.")
            self._write(found, shares)
            annotations_of(found)[FENCE] = str(fence)
            return True

        self.cluster.change(self.kind, self.name, edit)

    def _write(self, found: Object, shares: Shares) -> None:
        self.put(found, shares)
        kept = {"base": dict(shares.base), "canary": shares.canary, "percent": shares.percent}
        annotations_of(found)[SHARES] = json.dumps(kept)

    def service_of(self, slot: str) -> str:
        """The chart's Service of a slot."""
        return f"{self.cluster.release}-web-{slot}"

    def ready_pods(self, service: str) -> set[str]:
        """Names of pods that a Service sends requests to."""
        found = set()
        for each in self.cluster.list(ENDPOINT_SLICES, {"kubernetes.io/service-name": service}):
            for endpoint in each.get("endpoints") or []:
                if (endpoint.get("conditions") or {}).get("ready", True) and endpoint.get("targetRef"):
                    found.add(str(endpoint["targetRef"]["name"]))
        return found

    def observe(self) -> Observed:
        """The shares, and the slots that requests would reach."""
        try:
            shares = self.read_shares()
            up = frozenset(slot.name for slot in self.environment.slots if self._is_up(slot.name))
        except Unreachable:
            return Observed(None)
        return Observed(shares, up)

    def _is_up(self, slot: str) -> bool:
        """One pod is enough: more are asked for whenever there is more to do, and that makes no version down."""
        return bool(self.ready_pods(self.service_of(slot)))

    # ------------------------------------------------------------ counts
    def _metrics(self, pod: str) -> str | None:
        found = self._pods[pod]
        port = _health_port(found)
        if not port:
            return None
        if self._by_proxy:
            return self.cluster.through_pod(pod, port, "/metrics")
        host = found.get("status", {}).get("podIP", "")
        if not host:
            return None
        answer = web.ask(f"{host}:{port}", "/metrics", timeout=METRICS_SECONDS)
        return answer.body.decode("utf-8", "replace") if answer.status == 200 else None

    def counters(self, slot: str) -> Counters:
        """What the slot's pods have counted. Connections that never came to a pod are in no count of theirs."""
        try:
            pods = self.cluster.list(PODS, labels(self.cluster.release, "web", slot))
        except Unreachable:
            pods = []
        names = [str(pod["metadata"]["name"]) for pod in pods]
        self._pods.update(zip(names, pods, strict=True))
        n, errors, opened = self._counts.look(slot, names)
        return Counters(n, errors, 0, opened)

    def listen(self) -> None:
        """Nothing to do: the pods count by themselves."""

    def heard(self) -> Lines:
        """How long answers took since the last look; who asked is not in the counts."""
        return Lines(milliseconds=self._counts.taken())

    def hold(self, slot: str, holding: bool) -> None:
        """Not possible, and not asked for: `holds` says so."""


class ServiceFlip(InCluster):
    """The Service that the entrance asks, led from one slot to the other by its selector."""

    splits = False
    kind = SERVICES

    def read(self, found: Object) -> Shares | None:
        """The selector; None as long as pods of another slot still get requests."""
        slot = str((found["spec"].get("selector") or {}).get(SLOT, ""))
        if slot not in {each.name for each in self.environment.slots}:
            return None
        if self.ready_pods(self.name) - self.ready_pods(self.service_of(slot)):
            return None
        return Shares.only(slot)

    def put(self, found: Object, shares: Shares) -> None:
        """One slot, or it is refused."""
        slots = [slot for slot, weight in shares.base.items() if weight]
        if len(slots) != 1 or shares.canary:
            raise Refused("A Service sends everybody to one slot.", "Use blue_green, or traffic = 'gateway'.")
        found["spec"]["selector"][SLOT] = slots[0]

    def render(self, shares: Shares) -> None:
        """Nothing to write: the chart made the Service. That it leads somewhere is looked at.

        Raises:
            Refused: its selector names no slot.
        """
        found: dict[str, Any] = self.cluster.get(self.kind, self.name)
        if SLOT not in (found["spec"].get("selector") or {}):
            raise Refused(
                f"The Service {self.name} names no slot.", "It is not of this chart: look at [options] object."
            )

    def probe_headers(self, slot: str) -> dict[str, str]:
        """No proxy reads them: they mark the request, so that its answer is counted apart."""
        return {PROBE_HEADER: slot, "X-Forwarded-Proto": "https"}

    def probe_address(self, slot: str) -> str:
        """The slot's own Service: no header leads through the other one."""
        return self.environment.slot(slot).address


def _health_port(pod: Object) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("name") == "health":
                return int(port["containerPort"])
    return 0
