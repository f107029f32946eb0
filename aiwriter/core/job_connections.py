"""A worker's database connections: kept between tasks as CONN_MAX_AGE says, as the web does between requests.

Celery closes them before and after every task. For PostgreSQL that gives them back to the pool; a file of SQLite is opened
anew and its whole schema read, which took as long as everything else that a worker without work does: ninety times a minute
the schedule has it look for some.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from celery import Celery
from celery.fixups.django import DjangoFixup, DjangoWorkerFixup

from aiwriter.core.threads import keep_or_close


class KeepingFixup(DjangoWorkerFixup):  # type: ignore[misc]
    """Celery's way to look after Django in a worker, except that it closes only what is old or broken."""

    def close_database(self, **_: Any) -> None:
        """Close what must not be used again."""
        keep_or_close()


class Fixup(DjangoFixup):  # type: ignore[misc]
    """Celery's, with ours for workers."""

    @cached_property
    def worker_fixup(self) -> DjangoWorkerFixup:
        """Made when a worker first asks: it reads the settings."""
        return KeepingFixup(self.app)


def fixup(app: Celery) -> DjangoFixup:
    """For the application's list of fixups."""
    return Fixup(app).install()
