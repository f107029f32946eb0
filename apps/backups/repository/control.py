"""How a caller watches a run, stops it and slows it down."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, local


class _Meter:
    """Hands out the time from which so many bytes may pass; shared by all threads of a run."""

    def __init__(self, bandwidth: int) -> None:
        self.bandwidth = bandwidth
        self._lock = Lock()
        self._free_at = 0.0

    def turn(self, size: int) -> float:
        with self._lock:
            begin = max(self._free_at, time.monotonic())
            self._free_at = begin + size / self.bandwidth
        return begin


class Control:
    """Hooks that the caller injects. All of them may be left out.

    Both hooks are called only in the thread that called the engine: a hook may write to a database, whose connections
    belong to threads.

    Args:
        progress: called with the phase, what is done and the total (0 when it is not known).
        check: called often; raises `Stopped` (or anything else) to end the run.
        bandwidth: bytes a second that may go to or come from the store, 0 for no limit.
        cpu: share of its time that a thread may compute, above 0 to 1.
    """

    def __init__(
        self,
        *,
        progress: Callable[[str, int, int], None] | None = None,
        check: Callable[[], None] | None = None,
        bandwidth: int = 0,
        cpu: float = 1.0,
    ) -> None:
        self._progress = progress
        self._check = check
        self.bandwidth = bandwidth
        self._meter = _Meter(bandwidth)
        self.cpu = cpu
        self._spent = local()

    def elsewhere(self, check: Callable[[], None] | None = None) -> Control:
        """For threads of the engine: the same bandwidth, none of the caller's hooks."""
        made = Control(check=check, bandwidth=self.bandwidth, cpu=self.cpu)
        made._meter = self._meter
        return made

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
        self._wait_until(self._meter.turn(size))

    def pace(self) -> None:
        """Rest so long that this thread has not computed more than its share since it was here last."""
        if self.cpu >= 1:
            return
        now = time.thread_time()
        spent = now - getattr(self._spent, "at", now)
        self._spent.at = now
        self._wait_until(time.monotonic() + spent * (1 / self.cpu - 1))

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.5))


QUIET = Control()
