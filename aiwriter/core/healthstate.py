"""What is known of the portal's health, in one small file: written by the watch, read by healthd.

The file stands between the two so that the one that answers probes needs no database, no Django and no lock of the one
that looks. Standard library only. What is too old says nothing any more, least of all "ok".
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The watch writes every second; after this long without a word it hangs or is gone, and nothing of it counts.
SILENT_SECONDS = 10.0
# Clocks of one machine may be set back; a result from the future would otherwise count for as long as the step was.
_AHEAD_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A check's newest result.

    Args:
        status: "ok", "warn", "fail" or "unknown".
        checked_at: seconds since 1970.
        valid_until: likewise; afterwards it is unknown.
        since: when it took on its status.
    """

    title: str
    required: bool
    status: str
    message: str = ""
    remedy: str = ""
    latency_ms: int = 0
    checked_at: float = 0.0
    valid_until: float = 0.0
    since: float = 0.0
    data: Mapping[str, float] = field(default_factory=dict)

    def at(self, now: float) -> str:
        """The status that counts at a time."""
        return self.status if self.checked_at - _AHEAD_SECONDS <= now < self.valid_until else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All of them, on one machine.

    Args:
        node: the machine.
        written_at: seconds since 1970.
        begun: names of required checks that have been good since the watch started.
        notices: what the operators say on the public page: (when, title, text).
    """

    node: str
    version: str
    written_at: float
    begun: tuple[str, ...] = ()
    checks: Mapping[str, Seen] = field(default_factory=dict)
    notices: tuple[tuple[float, str, str], ...] = ()

    def statuses(self, now: float | None = None) -> dict[str, str]:
        """The status of every check that counts now; all unknown when the watch is silent."""
        moment = time.time() if now is None else now
        alive = -_AHEAD_SECONDS <= moment - self.written_at <= SILENT_SECONDS
        return {key: seen.at(moment) if alive else "unknown" for key, seen in self.checks.items()}

    def failing(self, now: float | None = None) -> list[str]:
        """Required checks that fail or are unknown."""
        found = self.statuses(now)
        return [key for key, seen in self.checks.items() if seen.required and found[key] in ("fail", "unknown")]

    def not_begun(self) -> list[str]:
        """Required checks that have never been good since the start."""
        return [key for key, seen in self.checks.items() if seen.required and key not in self.begun]


def path_in(data_dir: Path) -> Path:
    """Where the file lies in a data folder."""
    return data_dir / "run" / "health.json"


def write(path: Path, state: State) -> None:
    """Put a state in place of the one before, whole or not at all."""
    body = asdict(state)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(json.dumps(body), encoding="utf-8")
    fresh.replace(path)


def read(path: Path) -> State | None:
    """The state; None when there is none, or it cannot be read."""
    try:
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        checks = {str(key): Seen(**seen) for key, seen in body.pop("checks").items()}
        begun = tuple(body.pop("begun"))
        notices = tuple((float(at), str(title), str(text)) for at, title, text in body.pop("notices"))
        return State(checks=checks, begun=begun, notices=notices, **body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
