"""Faults of the machine that a person can mend, told apart from defects of ours."""

from __future__ import annotations

import errno

from django.db.utils import Error as DatabaseFault

from aiwriter.core.errors import AppError, StorageFull, Unavailable

# SQLite's text for SQLITE_FULL (https://www.sqlite.org/rescode.html#full), and PostgreSQL's class 53 "disk full".
_FULL = ("database or disk is full", "no space left on device", "could not extend file")
_BUSY = ("database is locked", "couldn't get a connection", "connection refused", "could not connect", "server closed")


def machine_fault(error: BaseException) -> AppError | None:
    """The product's error for a full disk or a database that does not answer; None for everything else.

    Args:
        error: whatever was raised.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full()
    if not isinstance(error, DatabaseFault):
        return None
    text = str(error).lower()
    if any(words in text for words in _FULL):
        return _full()
    if any(words in text for words in _BUSY):
        return Unavailable("The database does not answer right now.", remedy="Nothing was changed; try again.")
    return None


def _full() -> StorageFull:
    return StorageFull(
        "No space is left on the server's disk; nothing was changed.",
        remedy="Keep this page open, ask the operator for space, and try again.",
    )
