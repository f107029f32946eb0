"""Event loops for threads of our own, the same kind that uvicorn gives the web process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from asyncio import new_event_loop

with contextlib.suppress(ImportError):  # not made for Windows and PyPy
    from uvloop import new_event_loop


def start_loop(name: str) -> asyncio.AbstractEventLoop:
    """An event loop that runs in a new daemon thread until the process ends.

    Args:
        name: of the thread.
    """
    loop = new_event_loop()
    threading.Thread(target=loop.run_forever, name=name, daemon=True).start()
    return loop
