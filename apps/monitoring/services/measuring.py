"""Turns what the processes of this machine have counted into figures of the last minute.

Counters only grow, so a figure is the difference to the look before. A histogram's difference is the histogram of that
minute, and its percentiles are those of the minute. What did not move makes no figure: a portal that rests over night
costs no rows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

Labels = tuple[tuple[str, str], ...]
Reading = dict[str, dict[Labels, float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one minute."""

    name: str
    label: str
    value: float


def read(folder: Path) -> Reading:
    """All counts of this machine's processes, by name and labels; empty when none counts into a folder."""
    found: Reading = defaultdict(dict)
    if folder.is_dir():
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
        for family in registry.collect():
            for sample in family.samples:
                found[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    return found


def figures(before: Reading, now: Reading) -> list[Figure]:
    """The figures of the time between two readings.

    Args:
        before: the earlier one.
        now: the later one.
    """
    return [
        *_requests(before, now),
        *_tasks(before, now),
        *_models(before, now),
        *_percentiles(before, now, "aiw_retrieval_seconds", ("engine",), "retrieval", "seconds"),
        *(Figure("streams_open", dict(labels)["kind"], value) for labels, value in now["aiw_streams_open"].items()),
    ]


def _requests(before: Reading, now: Reading) -> Iterable[Figure]:
    every: dict[str, float] = defaultdict(float)
    wrong: dict[str, float] = defaultdict(float)
    for labels, grown in _grown(before, now, "aiw_http_requests_total"):
        # Two figures of each: the surface's, and the route's.
        for label in (labels["surface"], f"{labels['surface']} {labels['route']}"):
            every[label] += grown
            wrong[label] += grown if labels["status"] == "5xx" else 0.0
    for label, count in every.items():
        yield Figure("requests", label, count)
        if label in ("web", "api", "console") or wrong[label]:
            yield Figure("request_errors", label, wrong[label])
    yield from _percentiles(before, now, "aiw_http_request_seconds", ("surface",), "request", "seconds")
    yield from _percentiles(before, now, "aiw_http_request_seconds", ("surface", "route"), "request", "seconds")


def _tasks(before: Reading, now: Reading) -> Iterable[Figure]:
    every: dict[str, float] = defaultdict(float)
    wrong: dict[str, float] = defaultdict(float)
    for labels, grown in _grown(before, now, "aiw_tasks_total"):
        for label in ("all", labels["task"]):
            every[label] += grown
            wrong[label] += grown if labels["outcome"] == "failure" else 0.0
    for label, count in every.items():
        yield Figure("tasks", label, count)
        if label == "all" or wrong[label]:
            yield Figure("task_errors", label, wrong[label])
    yield from _percentiles(before, now, "aiw_task_seconds", ("task",), "task", "seconds")


def _models(before: Reading, now: Reading) -> Iterable[Figure]:
    every: dict[str, float] = defaultdict(float)
    wrong: dict[str, float] = defaultdict(float)
    for labels, grown in _grown(before, now, "aiw_model_calls_total"):
        for label in ("all", labels["backend"]):
            every[label] += grown
            wrong[label] += grown if labels["outcome"] == "failed" else 0.0
    for label, count in every.items():
        yield Figure("model_calls", label, count)
        yield Figure("model_errors", label, wrong[label])
    used: dict[tuple[str, str], float] = defaultdict(float)
    for labels, grown in _grown(before, now, "aiw_model_tokens_total"):
        used["model_tokens_" + labels["direction"], labels["backend"]] += grown
    for labels, grown in _grown(before, now, "aiw_model_cost_total"):
        used["model_cost", f"{labels['backend']} {labels['currency']}"] += grown
    for (name, label), value in used.items():
        yield Figure(name, label, value)
    yield from _percentiles(before, now, "aiw_model_first_token_seconds", ("backend",), "model_first_token", "seconds")
    yield from _percentiles(before, now, "aiw_model_tokens_per_second", ("backend",), "model_tokens", "per_second")


def _grown(
    before: Reading, now: Reading, name: str, *, still: bool = False
) -> Iterable[tuple[Mapping[str, str], float]]:
    old = before.get(name, {})
    for labels, value in now.get(name, {}).items():
        # A count that fell began anew: its process was restarted with an empty folder.
        grown = value - old.get(labels, 0.0) if value >= old.get(labels, 0.0) else value
        if grown > 0 or still:
            yield dict(labels), grown


def _percentiles(
    before: Reading, now: Reading, name: str, by: tuple[str, ...], figure: str, unit: str
) -> Iterable[Figure]:
    buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    # Buckets that did not grow say where the others begin.
    for labels, grown in _grown(before, now, f"{name}_bucket", still=True):
        buckets[" ".join(labels[each] for each in by)][float(labels["le"])] += grown
    for label, counts in buckets.items():
        if not any(counts.values()):
            continue
        yield Figure(f"{figure}_p50_{unit}", label, percentile(counts, 0.5))
        yield Figure(f"{figure}_p95_{unit}", label, percentile(counts, 0.95))


def percentile(buckets: Mapping[float, float], share: float) -> float:
    """A percentile of a histogram, by a straight line within its bucket, as Prometheus does it.

    Args:
        buckets: how many values were at most so large, by the bound; the last bound is infinite.
        share: 0.95 for the 95th percentile.
    """
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return 0.0
    wanted = buckets[bounds[-1]] * share
    low, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            if math.isinf(bound):
                return low
            inside = buckets[bound] - below
            return low + (bound - low) * ((wanted - below) / inside if inside else 1.0)
        low, below = bound, buckets[bound]
    return low
