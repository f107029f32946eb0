"""An event loop in a thread of its own, for work that must not hold up the loop that serves everybody.

A plugin's `async def` may block: on the web server's loop it would stop every stream and every request with it. In a lane
it stops only what runs in the same lane.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Generic, TypeVar

from aiwriter.core.loops import start_loop
from aiwriter.core.threads import to_the_end

T = TypeVar("T")


class Lane:
    """A loop that starts with its first work and lives as long as the process.

    Args:
        name: of its thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function in the lane and wait for it; a cancellation is handed on."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), self._ready()))

    async def stream(self, make: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[list[T], None]:
        """Run an async generator in the lane. Gives what came since the last look, in order.

        Closing it closes the generator in the lane and waits until that has ended, so that its bill is settled.

        Raises:
            Exception: whatever the generator raised, after everything that it gave before.
        """
        pipe: _Pipe[T] = _Pipe(asyncio.get_running_loop())
        lane = self._ready()
        tasks: list[asyncio.Task[None]] = []

        async def work() -> None:
            async with aclosing(make()) as items:
                async for item in items:
                    pipe.put(item)

        def begin() -> None:
            tasks.append(lane.create_task(work()))
            # Not at the end of `work`: a task that is cancelled before its first step never gets there.
            tasks[0].add_done_callback(pipe.close)

        lane.call_soon_threadsafe(begin)
        try:
            while batch := await pipe.get():
                yield batch
            if pipe.error is not None:
                raise pipe.error
        finally:
            if not pipe.closed.is_set():
                lane.call_soon_threadsafe(lambda: tasks[0].cancel())
                await to_the_end(pipe.closed.wait())

    def _ready(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = start_loop(self._name)
            return self._loop


class _Pipe(Generic[T]):
    """From a thread to a loop: one wake-up for all that comes while the loop is busy."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[T] = deque()
        self._changed = asyncio.Event()
        self._told = False
        self._lock = threading.Lock()
        self.closed = asyncio.Event()
        self.error: BaseException | None = None

    def put(self, item: T) -> None:
        """One more, from the other thread."""
        with self._lock:
            self._items.append(item)
            if self._told:
                return
            self._told = True
        self._wake(self._changed)

    def close(self, task: asyncio.Task[None]) -> None:
        """The generator has ended, in whichever way."""
        if not task.cancelled():
            self.error = task.exception()
        self._wake(self.closed, self._changed)

    async def get(self) -> list[T]:
        """Everything that came; empty at the end."""
        while True:
            await self._changed.wait()
            with self._lock:
                found = list(self._items)
                self._items.clear()
                self._told = False
                if not self.closed.is_set():
                    self._changed.clear()
            if found or self.closed.is_set():
                return found

    def _wake(self, *events: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop has ended, so nobody waits
            for event in events:
                self._loop.call_soon_threadsafe(event.set)
