"""Debug captures in a process: everything that is logged for one account or one request, into a file of its own.

Which captures run stands in a small file that the watch keeps (`apps/monitoring/services/captures.py`); a process looks at
its date once a second. A capture ends by its time, also when nobody is left to end it. Masked like every line of the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from aiwriter.core import context
from aiwriter.core.wholefiles import write_whole

MAX_BYTES = 5 * 1024 * 1024
# Whose debug lines are of use; those of libraries are many.
_LOGGERS = ("aiwriter", "apps")
_sql = logging.getLogger("aiwriter.sql")


@dataclass(frozen=True, slots=True)
class Capture:
    """One that runs."""

    id: str
    actor_id: str
    request_id: str
    ends_at: float

    def wants(self, actor_id: str, request_id: str) -> bool:
        """Whether what happens now belongs to it."""
        return bool(
            (self.actor_id and self.actor_id == actor_id) or (self.request_id and self.request_id == request_id)
        )


def folder() -> Path:
    """Where captures lie."""
    return Path(settings.DATA_DIR) / "run" / "captures"


def path_of(capture_id: object) -> Path:
    """The file of a capture on this machine."""
    return folder() / f"{capture_id}.jsonl"


def announce(captures: list[Capture]) -> None:
    """Say which captures run; only when that has changed."""
    path = folder() / "running.json"
    wanted = orjson.dumps([[c.id, c.actor_id, c.request_id, c.ends_at] for c in captures])
    if (path.read_bytes() if path.exists() else b"[]") != wanted:
        write_whole(path, wanted, durable=False)


class _Running:
    """What this process knows."""

    def __init__(self) -> None:
        self.looked_at = 0.0
        self.seen: tuple[int, int] | None = None
        self.captures: list[Capture] = []
        self.open = False


_running = _Running()


def refresh() -> bool:
    """Look, once a second, which captures run.

    Returns:
        whether any does.
    """
    now = time.time()
    if now - _running.looked_at >= 1.0:
        _running.looked_at = now
        _read(now)
    return _running.open


def _read(now: float) -> None:
    try:
        stat = (folder() / "running.json").stat()
        seen: tuple[int, int] | None = (stat.st_mtime_ns, stat.st_ino)
    except OSError:
        seen = None
    if seen != _running.seen:
        _running.seen = seen
        try:
            rows = orjson.loads((folder() / "running.json").read_bytes()) if seen else []
            _running.captures = [Capture(*row) for row in rows]
        except (OSError, orjson.JSONDecodeError, TypeError):
            _running.captures = []
    is_open = any(each.ends_at > now for each in _running.captures)
    if is_open != _running.open:
        _running.open = is_open
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.DEBUG if is_open else logging.NOTSET)


class CaptureHandler(logging.Handler):
    """Writes a line into the files of those captures that it belongs to."""

    def emit(self, record: logging.LogRecord) -> None:
        """Nothing at all while no capture runs."""
        if not _running.open:
            return
        actor_id, request_id, now = context.actor_id.get(), context.request_id.get(), time.time()
        for capture in _running.captures:
            if capture.ends_at > now and capture.wants(actor_id, request_id):
                try:
                    _append(path_of(capture.id), self.format(record).encode() + b"\n")
                except OSError:
                    continue


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.fstat(file).st_size < MAX_BYTES:
            os.write(file, line)
    finally:
        os.close(file)


@contextlib.contextmanager
def sql_lines() -> Iterator[None]:
    """Log the statements of what runs within, without their values, while a capture is open."""
    if not _running.open:
        yield
        return
    with connection.execute_wrapper(_log_statement):
        yield


def _log_statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, more: dict[str, Any]) -> Any:
    begun = time.perf_counter()
    try:
        return execute(sql, params, many, more)
    finally:
        took = round((time.perf_counter() - begun) * 1000, 1)
        _sql.debug("%s", " ".join(sql.split())[:2000], extra={"facts": {"ms": took}})
