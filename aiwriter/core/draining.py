"""The end of a web process, in order: what is under way is finished, and streams that last longer are closed cleanly.

A stream of events goes on elsewhere: its reader asks again with the last number. So shortly before the time is over each
one is ended as a whole answer, instead of being cut off in the middle by the server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

# Between the request to end and the moment when the server cuts off what is left.
MARGIN_SECONDS = 1.0

_lock = threading.Lock()
_endings: set[Callable[[], None]] = set()
_over = False


def begin(seconds: float) -> None:
    """The process was asked to end and has `seconds` for it."""
    timer = threading.Timer(max(0.0, seconds - MARGIN_SECONDS), _end)
    timer.daemon = True
    timer.start()


def watch(ending: Callable[[], None]) -> None:
    """Have `ending` called, from another thread, when the time is nearly over; at once when it already is."""
    with _lock:
        _endings.add(ending)
    if _over:
        ending()


def leave(ending: Callable[[], None]) -> None:
    """It has ended by itself."""
    with _lock:
        _endings.discard(ending)


def _end() -> None:
    global _over
    with _lock:
        _over = True
        endings = list(_endings)
    for ending in endings:
        ending()
