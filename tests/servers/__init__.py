"""Real servers that tests, proofs and benchmarks start on free loopback ports and stop again."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def installed(name: str, *more: Path) -> str:
    """Path of a program: in the folders named, in this environment, on the path, or where Debian has those of root; else ""."""
    beside = Path(sys.executable).parent
    path = os.pathsep.join(
        [*map(str, more), str(beside), os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    )
    return shutil.which(name, path=path) or ""
