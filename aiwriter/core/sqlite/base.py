"""SQLite, with a queue before its write lock.

SQLite lets one transaction write. Who comes meanwhile sleeps 1 to 100 ms and asks again (`sqliteDefaultBusyCallback` in
SQLite's main.c), so of eight threads that write for a millisecond each, some sleep longer than all of them work. Here the
threads of a process wait for a lock of their own before they ask SQLite, and the end of one transaction wakes the next.
The one whose turn it is asks SQLite every half millisecond while another process writes, and after a second as before.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from functools import partial
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

# A transaction that takes longer is waited for as SQLite does it; so is one whose thread has died without its end.
QUEUE_SECONDS = 5.0
# Between processes: how often the lock is asked for, and for how long before SQLite's own waiting.
ASK_EVERY, ASK_SECONDS = 0.0005, 1.0

_queues: dict[str, threading.Lock] = {}
os.register_at_fork(after_in_child=_queues.clear)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, whose transactions take their turn among those of the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: threading.Lock | None = None

    def _start_transaction_under_autocommit(self) -> None:
        if self._turn is None:
            queue = _queues.setdefault(str(self.settings_dict["NAME"]), threading.Lock())
            if queue.acquire(timeout=QUEUE_SECONDS):
                self._turn = queue
        try:
            asks = self.settings_dict["OPTIONS"].get("transaction_mode") == "IMMEDIATE"
            if not (asks and self._begin_soon()):
                super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._leave()
            raise

    def _begin_soon(self) -> bool:
        """Begin within `ASK_SECONDS`. Returns whether it has."""
        patience: float = self.settings_dict["OPTIONS"].get("timeout", 5.0)
        until = time.monotonic() + min(ASK_SECONDS, patience)
        had_errors = self.errors_occurred
        begin = super()._start_transaction_under_autocommit  # type: ignore[misc]
        self._tell("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    begin()
                    break
                except OperationalError as error:
                    if not _is_busy(error):
                        raise
                # That the lock was taken is no error of the connection, which would be closed after it.
                self.errors_occurred = had_errors
                if time.monotonic() > until:
                    return False
                time.sleep(ASK_EVERY)
                # The first one stands in the log of statements; the others are the same statement.
                begin = partial(self._tell, "BEGIN IMMEDIATE")
        finally:
            self._tell(f"PRAGMA busy_timeout = {round(patience * 1000)}")
        return True

    def _tell(self, statement: str) -> None:
        with self.wrap_database_errors:
            self.connection.execute(statement)

    def _commit(self) -> Any:
        done = super()._commit()  # type: ignore[misc]
        self._leave()
        return done

    def _rollback(self) -> Any:
        try:
            return super()._rollback()  # type: ignore[misc]
        finally:
            self._leave()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._leave()

    def _leave(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()


def _is_busy(error: OperationalError) -> bool:
    # The lowest byte is the kind, the others say more of it: https://sqlite.org/rescode.html
    cause = error.__cause__
    return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
