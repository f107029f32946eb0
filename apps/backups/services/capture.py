"""The capturing process: one for each portal, kept alive by the supervisor while a policy wants it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connection

from aiwriter.core.errors import AppError, Unavailable
from aiwriter.core.late import psycopg
from apps.backups.models import Destination, Policy
from apps.backups.repository.errors import RepositoryError
from apps.backups.repository.segments import Line, read_line
from apps.backups.services import capture_state, sqlite
from apps.backups.services.capture_chain import Chain, Shipper, open_place
from apps.backups.services.capture_postgres import PostgresCapture
from apps.backups.services.capture_sqlite import SqliteCapture
from apps.backups.services.capture_state import CaptureState

log = logging.getLogger(__name__)
_TICK = 0.1
# Keys of the repository may have been changed since.
_RENEW = 900.0
_RETRY = 5.0


@contextlib.contextmanager
def only_one() -> Iterator[bool]:
    """Whether this process is the one that captures; the lock ends with the process."""
    with (capture_state.capture_folder() / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def capture(over: threading.Event) -> bool:
    """Capture until `over` is set or nobody wants it any more. Returns False when another process does it.

    Args:
        over: set by a signal.
    """
    with only_one() as mine:
        if not mine:
            return False
        while not over.is_set() and (what := capture_state.wanted()) is not None:
            try:
                _capture(what, over)
            except (
                AppError,
                RepositoryError,
                DatabaseError,
                sqlite3.Error,
                psycopg.Error,
                OSError,
                Destination.DoesNotExist,
            ) as error:
                log.warning("capturing changes failed, trying again: %s", error)
                _tell(error)
                over.wait(_RETRY)
            finally:
                connection.close()
        return True


def _tell(error: Exception) -> None:
    state = capture_state.read_state() or CaptureState()
    state.tell("capture", str(getattr(error, "message", "") or error), str(getattr(error, "remedy", "")))
    with contextlib.suppress(OSError):
        capture_state.write_state(state, durable=False)


def _capture(what: dict[str, Any], over: threading.Event) -> None:
    destination, repository = open_place(what["destination"])
    state = capture_state.read_state() or CaptureState()
    if state.destination != what["destination"]:
        # Another place knows nothing of the line of this one.
        state = CaptureState(destination=what["destination"], gaps=state.gaps)
    state.pid, state.problem, state.remedy, state.teller = os.getpid(), "", "", ""
    chain = Chain(state, repository)
    shipper = Shipper(destination, chain)
    seconds = float(what["seconds"])
    source: SqliteCapture | PostgresCapture = (
        PostgresCapture(chain, seconds=seconds)
        if what["engine"] == "postgresql"
        else SqliteCapture(sqlite.live_path(), chain, seconds=seconds)
    )
    connection.close()

    def known(line_id: str) -> Line:
        shipper.ship()
        return read_line(repository, line_id)

    try:
        source.start(known)
        shipper.start()
        renewed = time.monotonic()
        while not over.wait(_TICK):
            if capture_state.wanted() != what:
                break
            asked = capture_state.question_file()
            begun = time.monotonic()
            was_asked = asked.exists()
            if was_asked:
                asked.unlink(missing_ok=True)
            try:
                sealed = source.step(asked=was_asked)
            except Unavailable as error:
                state.tell("source", error.message, error.remedy)
                chain.note()
                over.wait(_RETRY)
                continue
            except OSError as error:
                state.tell("source", *spool_problem(error))
                with contextlib.suppress(OSError):
                    chain.note()
                over.wait(_RETRY)
                continue
            state.well("source")
            if was_asked:
                state.asked = begun
                chain.note()
            if sealed:
                shipper.wake.set()
            if time.monotonic() - renewed >= _RENEW:
                renewed = time.monotonic()
                chain.renew(open_place(what["destination"])[1], source.line)
                connection.close()
    finally:
        source.close()
        if shipper.is_alive():
            shipper.finish()
        with contextlib.suppress(OSError):
            chain.note(durable=True)


def spool_problem(error: OSError) -> tuple[str, str]:
    """What to say of a spool that cannot be written, and what to do."""
    return (
        f"The spool cannot be written: {error.strerror or error}.",
        "Make space on the disk of the data folder; until then the log of the database keeps the changes, and grows.",
    )


def sync_wanted() -> None:
    """Let the supervisor know whether a policy wants changes to be captured."""
    row = Policy.objects.filter(enabled=True, pitr=True, destination__enabled=True).order_by("created_at", "id").first()
    engine = {"sqlite": "sqlite", "postgresql": "postgresql"}.get(connection.vendor, "")
    if row is None or (engine == "sqlite" and "memory" in str(connection.settings_dict["NAME"])):
        capture_state.want(None)
    else:
        capture_state.want({"destination": str(row.destination_id), "seconds": row.pitr_seconds, "engine": engine})
