"""How long one waits for the next piece, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """Says when a wait lasts too long, with one timer for all waits: `asyncio.timeout` makes and drops one for every token.

    Belongs to the event loop that runs when it is made.

    Args:
        end: called in the loop when it is at its end, while the wait still lasts.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._until: float | None = None

    def wait(self, seconds: float) -> None:
        """A wait begins that may last so many seconds."""
        self._until = until = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > until:
            self._set(until)

    def over(self) -> None:
        """It is over; nothing will be called for it."""
        self._until = None

    def close(self) -> None:
        """There will be no more."""
        self._until = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(until, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._until is None:
            return  # nobody waits; the next wait sets the timer again
        if self._until > self._loop.time():
            self._set(self._until)
        else:
            self._until = None
            self._end()
