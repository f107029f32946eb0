"""Faults of the machine that a person can mend, told apart from defects of ours."""

from __future__ import annotations

import errno

from django.db.utils import Error as DatabaseFault
from django.db.utils import OperationalError

from aiwriter.core.errors import AppError, StorageFull, Unavailable

# SQLite's text for SQLITE_FULL (https://www.sqlite.org/rescode.html#full), and PostgreSQL's class 53 "disk full".
_FULL = ("database or disk is full", "no space left on device", "could not extend file")
_BUSY = "database is locked"
# PostgreSQL ends connections, or takes none: while it is stopped, after a crash, while it starts.
# https://www.postgresql.org/docs/current/errcodes-appendix.html, classes 08 and 57.
_AWAY = ("57P01", "57P02", "57P03")


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
    if _BUSY in text or _is_away(error):
        return Unavailable("The database does not answer right now.", remedy="Try again in a moment.")
    return None


def _is_away(error: DatabaseFault) -> bool:
    """Whether a server is not there. psycopg gives no code where the connection itself is broken, or none was to be had."""
    if not isinstance(error, OperationalError) or not hasattr(error.__cause__, "sqlstate"):
        return False
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith("08") or code in _AWAY


def _full() -> StorageFull:
    return StorageFull(
        "No space is left on the server's disk; nothing was changed.",
        remedy="Keep this page open, ask the operator for space, and try again.",
    )
