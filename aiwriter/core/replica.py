"""Reading from a standby, and never anything older than what was there when the question came.

Which person wrote what, in which browser or by which token, need not be known: before a request reads, it asks the primary how
far its log is and the standby how far it has come. Only a standby that has everything is read; one that lags is waited for some
milliseconds, and then the primary answers. So nobody misses what they, or anybody else, had saved before they asked. (Pinning
a session for two seconds, the usual way, missed what a colleague or a worker had just written, and what lagged for longer.)

Both must be on the same timeline: after a failover a standby of the old one may be ahead in number and yet lack what was saved.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse

from aiwriter.core import metrics

logger = logging.getLogger(__name__)

ALIAS = "replica"
# A look holds for this long within a request; one that waits for something asks again.
LOOK_SECONDS = 1.0
# How long a standby that is behind is waited for, and how long one that does not answer is left alone.
PATIENCE_SECONDS, PAUSE_SECONDS = 0.02, 5.0
_STEP = 0.004
# What is acknowledged has been flushed, unless the server acknowledges before.
_PRIMARY = (
    "SELECT (CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn() "
    "ELSE pg_current_wal_flush_lsn() END)::text, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
)
_STANDBY = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn, (SELECT lpad(to_hex(received_tli), 8, '0') FROM pg_stat_wal_receiver)"
_reading: contextvars.ContextVar[_Reading | None] = contextvars.ContextVar("replica_reading", default=None)


class _Rest:
    """A standby that failed is left alone, by all threads but the one that looks again after each pause."""

    def __init__(self) -> None:
        self.failed, self._until, self._lock = False, 0.0, threading.Lock()

    def goes_on(self) -> bool:
        """Whether it is to be left alone; when a pause is over, whoever asks first looks."""
        with self._lock:
            if not self.failed:
                return False
            over = time.monotonic() >= self._until
            if over:
                self._until = time.monotonic() + PAUSE_SECONDS
            return not over

    def begin(self, why: object) -> None:
        with self._lock:
            if not self.failed:
                logger.warning("The standby is not read until it is well again: %s", str(why).strip()[:300])
            self.failed, self._until = True, time.monotonic() + PAUSE_SECONDS

    def end(self) -> None:
        with self._lock:
            if self.failed:
                logger.warning("The standby is read again.")
            self.failed = False


resting = _Rest()


class _Reading:
    """Where one request reads."""

    def __init__(self) -> None:
        self.used = self.closed = False
        self._looked_at, self._fine = 0.0, False

    def may(self) -> bool:
        """Whether the standby has everything; looks when it has not, or a while ago."""
        if self.closed or connections["default"].in_atomic_block:
            return False
        if not self._looked_at or time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._fine = caught_up() == ""
            self._looked_at = time.monotonic()
            metrics.replica_looks.labels("replica" if self._fine else "primary").inc()
        self.used = self.used or self._fine
        return self._fine


def caught_up() -> str:
    """Why the standby cannot be read now; "" when it has everything that the primary had at this moment."""
    if resting.goes_on():
        return "It did not answer a moment ago."
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute(_PRIMARY)
            position, timeline = cursor.fetchone()
    except DatabaseError as error:
        # A standby itself, in the middle of a failover, or away: whoever asks for rows will be told.
        return f"The primary does not say how far it is: {str(error).strip()[:200]}"
    end = time.monotonic() + PATIENCE_SECONDS
    try:
        with connections[ALIAS].cursor() as cursor:
            while True:
                cursor.execute(_STANDBY, [position])
                there, received = cursor.fetchone()
                if received is None:
                    resting.begin("it receives nothing, or hides it; GRANT pg_monitor to the portal's role")
                    return "It receives nothing from the primary, or the portal's role may not see it."
                if received != timeline:
                    resting.begin("it follows another server than the one that takes writes")
                    return "It follows another server than the one that takes writes."
                if resting.failed:
                    resting.end()
                if there:
                    return ""
                if time.monotonic() > end:
                    return "It is behind."
                time.sleep(_STEP)
    except DatabaseError as error:
        connections[ALIAS].close()
        resting.begin(error)
        return f"It does not answer: {str(error).strip()[:200]}"


class Router:
    """Sends reads of requests that only read to the standby."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """The standby, where it may be."""
        reading = _reading.get()
        return (
            ALIAS if reading is not None and reading.may() else "default" if hints.get("instance") is not None else None
        )

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """The primary; and what this request reads from now on, too: it may read what it has written."""
        if (reading := _reading.get()) is not None:
            reading.closed = True
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool | None:
        """Rows of both are of one database."""
        return True if {one._state.db, other._state.db} <= {"default", ALIAS} else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """The standby gets its tables from the primary."""
        return False if db == ALIAS else None


class ReplicaMiddleware:
    """Lets a request that only reads use the standby; one that broke there is answered once more by the primary."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on."""
        if request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        reading = _Reading()
        token = _reading.set(reading)
        try:
            response = self.get_response(request)
            if response.status_code >= 500 and reading.used and not response.streaming:
                # It ended in between, or took a row away that a long question was reading.
                connections[ALIAS].close()
                resting.begin(f"a request that read from it was answered with {response.status_code}")
                reading.closed = True
                response = self.get_response(request)
            return response
        finally:
            _reading.reset(token)
