"""What kind of process this is, as its command line says."""

from __future__ import annotations

import sys
from pathlib import Path


def is_scheduler() -> bool:
    """Whether it sends tasks by the clock (`celery -A aiwriter beat`)."""
    # `celery` itself, or `python -m celery`.
    return "celery" in Path(sys.argv[0]).parts and "beat" in sys.argv
