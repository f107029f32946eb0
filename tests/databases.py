"""The database that the run has migrated once for all (`tests/suite.py`)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django.db import connection


def migrated_file() -> str:
    """Where the run's migrated database is, once it is ready; "" when there is none, or it is a server's."""
    if ready := os.environ.get("TESTS_MIGRATED_READY"):
        while not Path(ready).exists():
            time.sleep(0.1)
        assert Path(ready).read_text(encoding="ascii") == "0", "the database could not be migrated, see above"
    return os.environ.get("TESTS_MIGRATED", "") if connection.vendor == "sqlite" else ""
