"""The scheduler's timetable: rows of the database, which operators change in the console."""

from __future__ import annotations

import time

from django_celery_beat.schedulers import DatabaseScheduler

ASK_SECONDS = 2.0


class Timetable(DatabaseScheduler):  # type: ignore[misc]
    """django-celery-beat's, except for how often it asks whether a row has changed.

    It asks several times for each task that it sends: a few hundred times a minute, and a row changes once a month.
    """

    _asked = float("-inf")

    def schedule_changed(self) -> bool:
        """Whether a row has changed; False without asking when it has just been asked."""
        now = time.monotonic()
        if now - self._asked < ASK_SECONDS:
            return False
        self._asked = now
        return bool(super().schedule_changed())
