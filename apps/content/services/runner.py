"""Runs the generations of this process: all of them on one event loop in one thread.

Hundreds of generations wait for their models at the same time, and a waiting coroutine costs 5 KB where a thread costs
a stack and a place in a pool. Celery's tasks only hand an id over and return.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from django.conf import settings

from aiwriter.core.loops import start_loop

logger = logging.getLogger(__name__)


# How many generations prepare themselves at the same time.
AT_ONCE = 16


class Turn:
    """Leave to prepare: claim, passages, the first call. Given back when the model has been asked.

    Of a hundred generations that begin together, all would otherwise finish their first step before one begins its
    second, and every writer would wait as long as the last. In turns half of them wait half as long.
    """

    _gates: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]] = WeakKeyDictionary()

    def __init__(self, gate: asyncio.Semaphore) -> None:
        self._gate: asyncio.Semaphore | None = gate

    @classmethod
    async def take(cls) -> Turn:
        """Wait for a turn on this event loop."""
        loop = asyncio.get_running_loop()
        gate = cls._gates.setdefault(loop, asyncio.Semaphore(AT_ONCE))
        await gate.acquire()
        return cls(gate)

    def give_back(self) -> None:
        """Let the next one begin; quiet when that was done already."""
        if self._gate is not None:
            self._gate.release()
            self._gate = None


class Runner:
    """See the module. One for each process: `runner`.

    Args:
        run: the coroutine function that does one generation.
    """

    def __init__(self, run: Callable[[uuid.UUID], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._accepted: set[uuid.UUID] = set()
        self._turned_away = False
        self._closing = False
        self._idle = threading.Event()
        self._idle.set()
        self.refill: Callable[[int], None] | None = None

    @property
    def room(self) -> int:
        """How many more generations may start now."""
        with self._lock:
            return 0 if self._closing else max(0, settings.MAX_GENERATIONS - len(self._accepted))

    @property
    def running(self) -> int:
        """How many generations are worked on."""
        with self._lock:
            return len(self._accepted)

    def submit(self, generation_id: uuid.UUID) -> bool:
        """Start a generation, unless it runs here already.

        Returns:
            whether it was taken. False: there is no room or the process is ending; the row stays in the queue.
        """
        with self._lock:
            if generation_id in self._accepted:
                return True
            if self._closing or len(self._accepted) >= settings.MAX_GENERATIONS:
                self._turned_away = True
                return False
            self._accepted.add(generation_id)
            self._idle.clear()
            loop = self._loop or self._start()
        loop.call_soon_threadsafe(self._spawn, generation_id)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until nothing runs. Returns whether that came to be."""
        return self._idle.wait(seconds)

    def shutdown(self, seconds: float) -> None:
        """Hand everything back to the queue, with what is written so far; takes nothing more.

        Args:
            seconds: how long to wait for it.
        """
        with self._lock:
            first, self._closing = not self._closing, True
            loop = self._loop
        if loop is None:
            return
        if first:
            # Once only: a second cancellation would tear a generation out of handing itself back.
            loop.call_soon_threadsafe(self._cancel_all)
        self.wait(seconds)

    def reopen(self) -> None:
        """Take generations again after a shutdown."""
        with self._lock:
            self._closing = False

    # ------------------------------------------------------------ on the loop
    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = start_loop("generations")
        return self._loop

    def _spawn(self, generation_id: uuid.UUID) -> None:
        assert self._loop is not None  # noqa: S101
        task = self._loop.create_task(self._run(generation_id), name=f"generation:{generation_id}")
        self._tasks[generation_id] = task
        task.add_done_callback(lambda done: self._ended(generation_id, done))
        if self._closing:
            task.cancel()

    def _cancel_all(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()

    def _ended(self, generation_id: uuid.UUID, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            logger.error("Generation %s ended without a result", generation_id, exc_info=error)
        self._tasks.pop(generation_id, None)
        with self._lock:
            self._accepted.discard(generation_id)
            refill = self._turned_away and not self._closing
            self._turned_away = False
            if not self._accepted:
                self._idle.set()
        if refill and self.refill and self._loop:
            # A row was left in the queue for want of room; fetch one now instead of waiting for the sweeper.
            self._loop.run_in_executor(None, self.refill, max(1, self.room))
