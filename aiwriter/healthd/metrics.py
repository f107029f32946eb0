"""The text that Prometheus reads: what all processes of this machine counted, and how the checks stand."""

from __future__ import annotations

import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from aiwriter.core import healthstate

_NUMBERS = {"ok": 0, "warn": 1, "fail": 2, "unknown": 3}


def exposition(folder: Path, state_file: Path) -> bytes:
    """The text.

    Args:
        folder: where the processes keep their counts.
        state_file: what the watch writes.
    """
    registry = CollectorRegistry()
    if folder.is_dir():
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    _checks(registry, healthstate.read(state_file))
    return generate_latest(registry)


def _checks(registry: CollectorRegistry, state: healthstate.State | None) -> None:
    up = Gauge("aiw_watch_up", "Whether the watch has reported lately.", registry=registry)
    status = Gauge(
        "aiw_check_status", "0 ok, 1 warning, 2 failing, 3 unknown.", ("check", "required"), registry=registry
    )
    age = Gauge("aiw_check_age_seconds", "Since the check's newest result.", ("check",), registry=registry)
    figure = Gauge("aiw_check_figure", "A figure of a check.", ("check", "figure"), registry=registry)
    if state is None:
        up.set(0)
        return
    now = time.time()
    up.set(int(now - state.written_at <= healthstate.SILENT_SECONDS))
    found = state.statuses(now)
    for key, seen in state.checks.items():
        status.labels(key, "yes" if seen.required else "no").set(_NUMBERS[found[key]])
        age.labels(key).set(round(max(0.0, now - seen.checked_at), 3))
        for name, value in seen.data.items():
            figure.labels(key, name).set(value)
