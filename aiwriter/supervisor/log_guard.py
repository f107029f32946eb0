"""Keeps SQLite's log whole while the portal starts, until the process that captures changes stands guard itself."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

import environ


class LogGuard:
    """An open connection to the portal's database.

    Who closes the last connection to a SQLite database moves the whole log into it and removes the log, whatever
    `wal_autocheckpoint` says. After a power cut the log holds changes that were not captured yet, and the first process of
    a start, which prepares the database, would take them away before the capture has begun: a gap of some seconds. With this
    connection open nobody is the last. It holds no transaction, so it keeps the capture from nothing.

    Args:
        data: the portal's data folder.
        url: `DATABASE_URL`, "" for the database in the data folder.
    """

    def __init__(self, data: Path, url: str) -> None:
        self._state = data / "backups" / "capture" / "state.json"
        self._since = time.time()
        self._held: sqlite3.Connection | None = None
        found = environ.Env.db_url_config(url) if url else {"ENGINE": "sqlite3", "NAME": data / "aiwriter.sqlite3"}
        path = Path(str(found["NAME"]))
        if not str(found["ENGINE"]).endswith("sqlite3") or not path.is_file():
            return
        held = sqlite3.connect(path, timeout=20, isolation_level=None)
        try:
            held.execute("PRAGMA wal_autocheckpoint=0")
            # In this mode of the log a connection that has read once keeps its lock on the file until it is closed.
            held.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            # What is wrong with the database is told by the step that prepares it, with a remedy.
            held.close()
            return
        self._held = held

    @property
    def standing(self) -> bool:
        """Whether the connection is open."""
        return self._held is not None

    def relieve(self, process: int) -> None:
        """Let go as soon as the capturing process has said that it is at work."""
        if self._held is None:
            return
        with suppress(OSError, ValueError):
            state = json.loads(self._state.read_text(encoding="utf-8"))
            if state.get("pid") == process and state.get("line") and state.get("beat", 0.0) >= self._since:
                self.end()

    def end(self) -> None:
        """Let go."""
        if self._held is not None:
            self._held.close()
            self._held = None
