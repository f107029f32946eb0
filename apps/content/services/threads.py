"""Database work for coroutines: in a few threads, so that hundreds of generations share a handful of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")
_pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="content-db")


def _run(work: Callable[[], R]) -> R:
    close_old_connections()
    try:
        return work()
    finally:
        # Gives a pooled connection back: none may be held while a model is waited for.
        close_old_connections()


async def in_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function that uses the database, without blocking the event loop."""
    work = partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_pool, _run, work)
