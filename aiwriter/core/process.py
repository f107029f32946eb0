"""What kind of process this is, as its command line says."""

from __future__ import annotations

import sys

_PAGELESS = frozenset({"beat", "watch", "worker"})


def is_scheduler() -> bool:
    """Whether it sends tasks by the clock (`celery -A aiwriter beat`)."""
    return "beat" in sys.argv


def is_pageless() -> bool:
    """Whether it was started for something else than pages: the scheduler, the watch, a worker."""
    return not _PAGELESS.isdisjoint(sys.argv[1:])
