"""While the supervisor holds the log, no process that closes the database takes uncaptured changes out of it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from aiwriter.supervisor.log_guard import LogGuard

_KILLED = """
import os, signal, sqlite3, sys
opened = sqlite3.connect(sys.argv[1], isolation_level=None)
opened.execute("PRAGMA journal_mode=WAL")
opened.execute("CREATE TABLE t (n)")
opened.execute("INSERT INTO t VALUES (1)")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose database was left by a power cut: what was written is in its log alone."""
    (tmp_path / "backups/capture").mkdir(parents=True)
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path / "aiwriter.sqlite3"], check=False)
    assert log(tmp_path).stat().st_size > 0
    return tmp_path


def log(data: Path) -> Path:
    return data / "aiwriter.sqlite3-wal"


def pass_by(data: Path) -> None:
    """What a process does that prepares the database: it comes, looks, and closes."""
    with closing(sqlite3.connect(data / "aiwriter.sqlite3")) as opened:
        opened.execute("PRAGMA wal_autocheckpoint=0")
        assert opened.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_without_a_guard_the_first_to_close_takes_the_log_away(data: Path) -> None:
    pass_by(data)
    assert not log(data).exists()


def test_with_a_guard_the_log_stays(data: Path) -> None:
    before = log(data).read_bytes()
    guard = LogGuard(data, "")
    assert guard.standing
    pass_by(data)
    assert log(data).read_bytes() == before
    guard.end()
    assert not guard.standing


def test_it_goes_when_the_capture_of_this_start_is_at_work(data: Path) -> None:
    state = data / "backups/capture/state.json"
    guard = LogGuard(data, f"sqlite:///{data / 'aiwriter.sqlite3'}")

    def said(process: int, line: str, beat: float) -> bool:
        state.write_text(json.dumps({"pid": process, "line": line, "beat": beat}), encoding="utf-8")
        guard.relieve(77)
        return guard.standing

    guard.relieve(77)
    assert guard.standing
    state.write_text("half of a", encoding="utf-8")
    guard.relieve(77)
    assert guard.standing
    now = time.time()
    assert said(76, "a", now + 1)
    assert said(77, "", now + 1)
    assert said(77, "a", now - 60)
    assert not said(77, "a", now + 1)


@pytest.mark.parametrize("url", ["postgres://u@h/d", "sqlite:////nowhere/db.sqlite3"])
def test_there_is_nothing_to_guard(tmp_path: Path, url: str) -> None:
    assert not LogGuard(tmp_path, url).standing
    assert not Path("/nowhere").exists()


def test_what_is_no_database_is_left_to_who_prepares_it(tmp_path: Path) -> None:
    (tmp_path / "aiwriter.sqlite3").write_bytes(b"no database" * 1000)
    assert not LogGuard(tmp_path, "").standing
