"""Whether the portal is being worked on, and whether what goes outside is held back: asked by every request and task.

The rows lie in an app above; `PAUSE_STATE` names the function that reads them. Jobs are rows, so a task that is not run
now loses nothing: the sweeper of its kind wakes it again when the pause is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Task
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from aiwriter.core.errors import AppError
from aiwriter.core.views import error_response

logger = logging.getLogger(__name__)
_FRESH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """What is paused.

    Args:
        maintenance: people see a page that says so, programs are told to come back, workers take no jobs.
        message: for people.
        outside: nothing that waits is published or sent.
    """

    maintenance: bool = False
    message: str = ""
    outside: bool = False


class Maintenance(AppError):
    """The portal is being worked on."""

    code, status, exit_code = "maintenance", 503, 8
    retry_after = 60.0


_known = Pauses()
_read_at = 0.0


def present() -> Pauses:
    """What is paused now, as of two seconds ago at most. A database that does not answer changes nothing."""
    global _known, _read_at
    if time.monotonic() - _read_at >= _FRESH_SECONDS:
        _read_at = time.monotonic()
        try:
            _known = import_string(settings.PAUSE_STATE)()
        except Error as error:
            # While the databases are exchanged, and before the first migration.
            logger.info("whether something is paused could not be read: %s", error)
    return _known


def forget() -> None:
    """Read again at the next question."""
    global _read_at, _known
    _read_at, _known = 0.0, Pauses()


class MaintenanceMiddleware:
    """Answers 503 while the portal is worked on; the console, signing in, health and static files go on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, or say when to come back."""
        if request.path.startswith(settings.OPEN_IN_MAINTENANCE) or not (found := present()).maintenance:
            return self.get_response(request)
        error = Maintenance(
            _("The portal is being worked on."),
            remedy=found.message or _("Nothing is lost. Come back in some minutes."),
        )
        response = error_response(request, error)
        response.headers["Retry-After"] = str(round(error.retry_after))
        response.headers["Cache-Control"] = "no-store"
        return response


class PausingTask(Task):  # type: ignore[misc]
    """The base of all tasks: one that must not run now does nothing, and its row waits for the sweeper."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run, unless it is paused."""
        found = present()
        if found.maintenance and not str(self.name).startswith(settings.TASKS_IN_MAINTENANCE):
            return None
        if found.outside and self.name in settings.TASKS_OUTSIDE:
            return None
        return super().__call__(*args, **kwargs)
