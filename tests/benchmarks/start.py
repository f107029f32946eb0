"""Cold start of an installed checkout, and what the whole portal weighs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks import Row
from tests.lab.portal import Portal

# Open WebUI 0.12.4 on two cores: 22.5 s first, 16.2 s later, 806 MB idle (research figures).
PEER_FIRST_S, PEER_LATER_S, PEER_IDLE_MB = 22.5, 16.2, 806.0


def measure() -> list[Row]:
    """Start twice on one folder and weigh."""
    with tempfile.TemporaryDirectory(prefix="aiwriter-bench-") as scratch:
        folder = Path(scratch) / "data"
        folder.mkdir()
        with Portal(folder=folder) as portal:
            first = portal.seconds_to_healthy
        with Portal(folder=folder) as portal:
            later = portal.seconds_to_healthy
            idle = sum(portal.rss_bytes().values()) / 1e6
    peer = "Open WebUI 0.12.4 (research figure)"
    return [
        Row("first start, installed, empty folder", first, PEER_FIRST_S, "s", peer, 1.0),
        Row("later start", later, 15.0, "s", "limit", 1.0),
        Row("later start", later, PEER_LATER_S, "s", peer, 1.0),
        Row("idle memory, all processes", idle, PEER_IDLE_MB, "MB", peer, 1.0),
    ]
