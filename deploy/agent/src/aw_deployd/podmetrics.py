"""What the pods of a version counted themselves: `/metrics` of the healthd beside each web process.

A Service counts nothing, and each kind of gateway counts in its own way, under its own names; the portal's own counts are the
same everywhere. They know how many were answered, with which status, how fast. They do not know who asked, nor of requests
that never reached a pod: the agent's probes, which go the whole way, find those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

# The kubelet and the proxies ask these all the time.
HEALTH_ROUTES = ("livez", "readyz")
_LINE = re.compile(r"^(aiw_[a-z_]+)(?:\{(.*)\})? ([0-9.eE+-]+|\+Inf)$")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
# Of one bucket no more single times are made than a percentile needs.
_MOST_OF_A_BUCKET = 500


@dataclass(slots=True)
class Counted:
    """The counts of one pod since it began, the agent's own probes taken off.

    Args:
        answered: with the probes; grows until the process ends.
        buckets: answers by the longest that they took, in seconds; not added up.
        open: streams that are open now.
    """

    n: int = 0
    errors: int = 0
    answered: int = 0
    open: int = 0
    buckets: dict[float, int] = field(default_factory=dict)


def read(text: str) -> Counted:
    """The counts in an answer of `/metrics`."""
    found = Counted()
    added: dict[float, float] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, words, value = match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])
        if name == "aiw_streams_open":
            found.open += int(value)
            continue
        if words.get("route") in HEALTH_ROUTES:
            continue
        probe = name.startswith("aiw_http_probe_seconds")
        sign = -1 if probe else 1
        if name in ("aiw_http_requests_total", "aiw_http_probe_seconds_count"):
            found.n += sign * int(value)
            found.answered += 0 if probe else int(value)
            found.errors += sign * int(value) if words.get("status") == "5xx" else 0
        elif name in ("aiw_http_request_seconds_bucket", "aiw_http_probe_seconds_bucket"):
            edge = float(words["le"])
            added[edge] = added.get(edge, 0.0) + sign * value
    before = 0.0
    for edge in sorted(added):
        found.buckets[edge] = max(0, int(added[edge] - before))
        before = max(before, added[edge])
    return found


def times(before: dict[float, int], now: dict[float, int]) -> list[float]:
    """Milliseconds of the answers in between, spread evenly over their bucket, as Prometheus assumes too."""
    found: list[float] = []
    low = 0.0
    for edge in sorted(now):
        # Above the last edge nothing is known but that it was slower.
        high = edge if edge != float("inf") else low
        count = min(_MOST_OF_A_BUCKET, max(0, now[edge] - before.get(edge, 0)))
        found += [(low + (high - low) * (number + 0.5) / count) * 1000 for number in range(count)]
        low = high
    return found


class PodCounts:
    """Counts of the pods of a slot, added up so that a pod which goes takes nothing away.

    Args:
        fetch: the text of a pod's metrics, by the name of the pod; None when it did not answer.
    """

    def __init__(self, fetch: Callable[[str], str | None]) -> None:
        self._fetch = fetch
        self._last: dict[str, dict[str, Counted]] = {}
        self._total: dict[str, list[int]] = {}
        self._told: dict[str, list[int]] = {}
        self._times: dict[str, list[float]] = {}

    def look(self, slot: str, pods: Iterable[str]) -> tuple[int, int, int]:
        """Requests, errors and open streams of a slot; of a pod that does not answer now, what it said last."""
        last, total = self._last.setdefault(slot, {}), self._total.setdefault(slot, [0, 0])
        there = set(pods)
        for pod in sorted(there):
            text = self._fetch(pod)
            if text is None:
                continue
            now, before = read(text), last.get(pod, Counted())
            if now.answered < before.answered:
                # Its container was started again.
                before = Counted()
            total[0] += now.n - before.n
            total[1] += now.errors - before.errors
            self._times.setdefault(slot, []).extend(times(before.buckets, now.buckets))
            last[pod] = now
        for gone in set(last) - there:
            del last[gone]
        # A probe is counted as a request a moment before it is counted as a probe: what was told once is not taken back.
        told = self._told.setdefault(slot, [0, 0])
        told[:] = [max(before, now) for before, now in zip(told, total, strict=True)]
        return told[0], told[1], sum(each.open for each in last.values())

    def taken(self) -> dict[str, list[float]]:
        """Milliseconds by slot since this was asked last."""
        found, self._times = self._times, {}
        return found
