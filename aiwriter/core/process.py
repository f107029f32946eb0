"""What kind of process this is, as its command line says."""

from __future__ import annotations

import sys
from pathlib import Path


def is_scheduler() -> bool:
    """Whether it sends tasks by the clock (`celery -A aiwriter beat`)."""
    return _is_celery() and "beat" in sys.argv


def is_pageless() -> bool:
    """Whether it was started for something else than pages: the scheduler, a worker, the watch."""
    is_watch = Path(sys.argv[0]).name == "manage.py" and sys.argv[1:2] == ["watch"]
    return is_watch or is_scheduler() or (_is_celery() and "worker" in sys.argv)


def _is_celery() -> bool:
    # `celery` itself, or `python -m celery`.
    return "celery" in Path(sys.argv[0]).parts
