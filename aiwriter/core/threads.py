"""Database work for coroutines: in a few threads, so that hundreds of waiting generations share a handful of connections.

Django's connections belong to a thread each, and asgiref's `sync_to_async` either runs everything in one thread or opens
a thread, and with it a connection, for each call that runs at the same time. A small pool of our own bounds both. After
each call the connection is given back (PostgreSQL's pool) or kept for the thread's next call (SQLite), as CONN_MAX_AGE
says; so no connection is held while a model is waited for.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

P = ParamSpec("P")
R = TypeVar("R")
THREADS = 8
_pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="database")


def keep_or_close() -> None:
    """For a thread that goes on to other work: keep its connections as CONN_MAX_AGE says.

    One that had an error is closed without being asked whether it still works: a database that is frozen would not say.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close()
        else:
            connection.close_if_unusable_or_obsolete()


async def in_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a short synchronous function, usually one that uses the database, without blocking the event loop.

    The function runs to its end even when the caller is cancelled while it waits: what it commits is committed.
    """
    work = partial(contextvars.copy_context().run, partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_pool, _between_connections, work)


def _between_connections(work: Callable[[], R]) -> R:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


async def to_the_end(work: Awaitable[R]) -> R:
    """Wait for something short that must not be left half done, such as the settling of a bill.

    A cancellation that arrives meanwhile is raised after it has ended.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task})
        raise
