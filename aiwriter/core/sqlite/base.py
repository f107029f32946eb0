"""SQLite, with a queue before its write lock.

SQLite lets one transaction write. Who comes meanwhile sleeps 1 to 100 ms and asks again (`sqliteDefaultBusyCallback` in
SQLite's main.c), so of eight threads that write for a millisecond each, some sleep longer than all of them work. Here the
threads of a process wait for a lock of their own before they ask SQLite, and the end of one transaction wakes the next.
Other processes are waited for as before.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from django.db.backends.sqlite3 import base

# A transaction that takes longer is waited for as SQLite does it; so is one whose thread has died without its end.
QUEUE_SECONDS = 5.0

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
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._leave()
            raise

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
