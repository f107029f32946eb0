"""How a caller watches a run, stops it and slows it down."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Control:
    """Hooks that the caller injects. All of them may be left out.

    Args:
        progress: called with the phase, what is done and the total (0 when it is not known), from any thread.
        check: called often; raises `Stopped` (or anything else) to end the run.
        bandwidth: bytes a second that may go to or come from the store, 0 for no limit.
    """

    def __init__(
        self,
        *,
        progress: Callable[[str, int, int], None] | None = None,
        check: Callable[[], None] | None = None,
        bandwidth: int = 0,
    ) -> None:
        self._progress = progress
        self._check = check
        self.bandwidth = bandwidth
        self._lock = Lock()
        self._free_at = 0.0

    def progress(self, phase: str, done: int, total: int = 0) -> None:
        """Tell how far the run is."""
        if self._progress is not None:
            self._progress(phase, done, total)

    def check(self) -> None:
        """Raise what the caller wants raised."""
        if self._check is not None:
            self._check()

    def throttle(self, size: int) -> None:
        """Wait until so many bytes may pass. Long waits ask `check` every half second."""
        if self.bandwidth <= 0:
            return
        with self._lock:
            begin = max(self._free_at, time.monotonic())
            self._free_at = begin + size / self.bandwidth
        while (left := begin - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.5))


QUIET = Control()
