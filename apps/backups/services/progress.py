"""What a running job tells and asks: progress, log lines, whether to stop, whether the row is still its own."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import F, Value
from django.db.models.functions import Concat, Right
from django.utils import timezone

from aiwriter.core.errors import AppError
from apps.backups.models import RecoveryJob

LEASE = timedelta(seconds=60)
_EVERY = 1.0
_LOG_CHARACTERS = 60_000


class StopRequested(AppError):
    """Somebody stopped the job, or the worker is going away."""

    code, status, exit_code = "stopped", 409, 6


class LostJob(AppError):
    """A successor has taken the row: this process must write nothing more."""

    code, status, exit_code = "lost", 409, 6


class Progress:
    """The engine's `Control`, kept in the job's row.

    Every call of `progress` or `check` may write to the row, at most once a second; the write renews the lease and
    learns whether a stop was asked for. `beating` keeps the lease alive during steps that make no calls.

    Args:
        job: the claimed row.
        fence: what the claim gave.
        echo: also called with each log line, for commands.
    """

    def __init__(self, job: RecoveryJob, fence: int, *, echo: Any = None) -> None:
        self.job, self.fence = job, fence
        self._echo = echo
        self._model: Any = type(job)
        self._written = 0.0
        self._phase, self._done, self._total = "", 0, 0
        self._parent = os.getppid()
        self._orphaned_stops = False
        self._verdict: AppError | None = None
        self._beat: threading.Thread | None = None
        self._over = threading.Event()

    # ------------------------------------------------------------ what the engine calls
    def progress(self, phase: str, done: int, total: int) -> None:
        """Note how far a phase is."""
        changed = phase != self._phase
        self._phase, self._done, self._total = phase, done, total
        if changed or time.monotonic() - self._written >= _EVERY:
            self._write()

    def check(self) -> None:
        """Raise when the work must end.

        Raises:
            StopRequested: somebody asked for it, or the worker that started this process has ended.
            LostJob: the row has a new holder.
        """
        if self._verdict is None and time.monotonic() - self._written >= _EVERY:
            self._write()
        if self._verdict is not None:
            raise self._verdict
        if self._orphaned_stops and os.getppid() != self._parent:
            raise StopRequested("The worker has ended.", remedy="The job goes on when it runs again.")

    # ------------------------------------------------------------ what services call
    def phase(self, name: str, total: int = 0) -> None:
        """Begin a phase."""
        self.progress(name, 0, total)
        self.check()

    def say(self, text: str) -> None:
        """Add a line to the log that people read."""
        line = f"{timezone.now():%H:%M:%S} {text}\n"
        held = self._model.objects.held(self.job.pk, fence=self.fence)
        held.update(log=Right(Concat(F("log"), Value(line)), _LOG_CHARACTERS))
        if self._echo:
            self._echo(line.rstrip())

    def stop_with_parent(self) -> None:
        """End when the process that started this one has ended: its row is then taken up by the next worker."""
        self._orphaned_stops = True

    def beating(self) -> None:
        """Renew the lease from a thread, because a step such as copying a database makes no calls for minutes."""
        self._beat = threading.Thread(target=self._beats, name="job-heartbeat", daemon=True)
        self._beat.start()

    def close(self) -> None:
        """End the heartbeat."""
        self._over.set()
        if self._beat is not None:
            self._beat.join(10)

    def _beats(self) -> None:
        while not self._over.wait(5.0):
            # A busy database must not end the heartbeat; the lease outlives some beats.
            with contextlib.suppress(DatabaseError):
                self._write()
            connection.close()

    def _write(self) -> None:
        self._written = time.monotonic()
        held = self._model.objects.held(self.job.pk, fence=self.fence)
        alive = held.update(
            lease_until=timezone.now() + LEASE, phase=self._phase[:60], done=self._done, total=self._total
        )
        if not alive:
            self._verdict = LostJob("Another process has taken the job over.", remedy="Nothing is to be done.")
        elif held.filter(stop_requested_at__isnull=False).exists():
            self._verdict = StopRequested("It was stopped.", remedy="Start it again when you want.")


class Quiet(Progress):
    """Progress of a step that has no row: there is no database yet."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def progress(self, phase: str, done: int, total: int) -> None:
        """Nothing is kept."""

    def check(self) -> None:
        """Nobody can ask for a stop but with Ctrl-C."""

    def phase(self, name: str, total: int = 0) -> None:
        """Nothing is kept."""

    def say(self, text: str) -> None:
        """For the terminal."""
        self._say(text)
