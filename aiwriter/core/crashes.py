"""Errors that nobody expected: what a process notes of one, without the database and without an end.

Every process notes its errors in a small file of its own below the data folder; the watch of the machine takes the files
over into the error inbox (`apps/monitoring/services/error_intake.py`). So an error is kept while the database is away, and
a storm of errors costs a line of a hundred bytes each: the whole of an error is noted once a minute for each kind, thirty
times a minute for all kinds, and never more than two megabytes for a process.

What is noted holds no values: no variables, no bodies, no headers, and of the error's text only what `redact_error` leaves.
"""

from __future__ import annotations

import fcntl
import hashlib
import linecache
import logging
import os
import socket
import sys
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from aiwriter import __version__
from aiwriter.core import context
from aiwriter.core.redact import redact_error

BASE_DIR = Path(__file__).resolve().parents[2]
MAX_FILE_BYTES = 2 * 1024 * 1024
# The whole of an error: once in so many seconds for each kind, and at most so many in a minute.
AGAIN_SECONDS, SAMPLES_A_MINUTE = 60.0, 30
_FRAMES, _DEEPEST, _KINDS = 40, 12, 500
TOO_MANY = "too-many"

Noted = dict[str, Any]


@cache
def part() -> str:
    """Which part of the portal this process is: "web", "worker", "scheduler", "watch" or a command's name."""
    words = [Path(sys.argv[0]).name if sys.argv else "", *sys.argv[1:3]]
    if "celery" in " ".join(words):
        return "scheduler" if "beat" in sys.argv else "worker"
    if words[0] == "manage.py" or words[0] == "django-admin":
        return (words[1:2] or ["command"])[0][:40]
    return "web" if "uvicorn" in " ".join(words) else (words[0].removesuffix(".py") or "python")[:40]


def noted(record: logging.LogRecord) -> Noted:
    """What is kept of a record of the log that tells of an error.

    Args:
        record: with or without an exception.
    """
    error = record.exc_info[1] if record.exc_info else None
    frames = _frames(error)
    request = getattr(record, "request", None)
    match = getattr(request, "resolver_match", None)
    if error is not None:
        kind, text = type(error).__name__, redact_error(str(error))
    else:
        # Without an exception the words are the kind, not what was filled into them.
        kind, text = record.name, redact_error(record.getMessage())
    own = [frame for frame in frames if frame["own"]] or frames[-3:]
    place = f"{own[-1]['file']} in {own[-1]['function']}" if own else record.name
    marks = [f"{frame['file']}:{frame['function']}" for frame in own[-_DEEPEST:]]
    if error is None:
        marks = [record.name, str(record.msg)[:300]]
    return {
        "mark": hashlib.sha256("\0".join([kind, *marks]).encode()).hexdigest(),
        "at": record.created,
        "n": 1,
        "kind": kind[:200],
        "text": text[:500],
        "place": place[:300],
        "causes": _causes(error),
        "frames": frames,
        "logger": record.name[:100],
        "part": part(),
        "node": socket.gethostname()[:120],
        "release": __version__,
        "request_id": context.request_id.get(),
        "actor_id": context.actor_id.get(),
        "workspace_id": context.workspace_id.get(),
        "trace_id": context.trace_id.get(),
        "route": (match.route if match else "")[:200],
    }


def _frames(error: BaseException | None) -> list[Noted]:
    if error is None or error.__traceback__ is None:
        return []
    found = []
    for frame, number in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        path, own = _told(code.co_filename)
        found.append(
            {
                "file": path,
                "function": code.co_name,
                "line": number,
                "own": own,
                # The line as it stands in the program; nothing of what ran through it.
                "code": linecache.getline(code.co_filename, number).strip()[:200],
            }
        )
    return found[-_FRAMES:]


def _told(filename: str) -> tuple[str, bool]:
    """A file's name without the machine's folders, and whether it is of the portal."""
    path = Path(filename)
    if path.is_relative_to(BASE_DIR) and "site-packages" not in path.parts:
        return str(path.relative_to(BASE_DIR)), True
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :]), False
    return "/".join(path.parts[-3:]), False


def _causes(error: BaseException | None) -> list[str]:
    found: list[str] = []
    seen = error.__cause__ or error.__context__ if error is not None else None
    while seen is not None and len(found) < 5:
        found.append(f"{type(seen).__name__}: {redact_error(str(seen))}"[:300])
        seen = seen.__cause__ or seen.__context__
    return found


class CrashHandler(logging.Handler):
    """Notes every error that reaches the log, and where it goes is told by `deliver`.

    Args:
        folder: where this process has its file; made when it is needed.
    """

    # Set by whoever sends errors elsewhere (`aiwriter.core.error_reports`); then nothing is written here.
    deliver: Callable[[Noted], None] | None = None

    def __init__(self, folder: str | Path) -> None:
        super().__init__(logging.ERROR)
        self._folder = Path(folder)
        self._whole_at: dict[str, float] = {}
        self._lately: deque[float] = deque()
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Note it. It must never fail: it runs where something else has failed already."""
        if getattr(record, "crash_noted", False):
            return
        record.crash_noted = True
        try:
            row = noted(record)
            wanted = self._whole(row["mark"])
            if CrashHandler.deliver is not None:
                if wanted:
                    CrashHandler.deliver(row)
                return
            if not wanted:
                known = row["mark"] in self._whole_at
                row = {"mark": row["mark"] if known else TOO_MANY, "at": row["at"], "n": 1}
            self._write(row)
        except Exception:  # noqa: BLE001, S110 - a full disk or a broken object in the message
            pass

    def _whole(self, mark: str) -> bool:
        """Whether all of this error is noted, not only that it came again."""
        now = time.monotonic()
        while self._lately and now - self._lately[0] > 60.0:
            self._lately.popleft()
        last = self._whole_at.get(mark)
        if (last is not None and now - last < AGAIN_SECONDS) or len(self._lately) >= SAMPLES_A_MINUTE:
            return False
        if len(self._whole_at) >= _KINDS:
            self._whole_at.pop(min(self._whole_at, key=self._whole_at.__getitem__))
        self._whole_at[mark] = now
        self._lately.append(now)
        return True

    def _write(self, row: Noted) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{os.getpid()}.jsonl"
        while True:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                # Taken over between opening and locking: the line would go into a file that nobody reads again.
                if not _is_still(path, file):
                    continue
                if os.fstat(file).st_size >= MAX_FILE_BYTES:
                    self._lost += 1
                    return
                lines = orjson.dumps(row, default=str) + b"\n"
                if self._lost:
                    lines += orjson.dumps({"mark": TOO_MANY, "at": row["at"], "n": self._lost}) + b"\n"
                os.write(file, lines)
                self._lost = 0
                return
            finally:
                os.close(file)


def _is_still(path: Path, file: int) -> bool:
    try:
        there, opened = path.stat(), os.fstat(file)
    except OSError:
        return False
    return (there.st_ino, there.st_dev) == (opened.st_ino, opened.st_dev)


def hand_over(folder: Path) -> None:
    """Put the files of all processes aside, so that they can be read in peace; their writers begin new ones.

    Args:
        folder: where they are.
    """
    for path in sorted(folder.glob("*.jsonl")):
        file = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(path, file):
                path.rename(folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.taken")
        finally:
            os.close(file)


def handed_over(folder: Path) -> list[Path]:
    """The files that were put aside and not yet read, the oldest first."""
    return sorted(folder.glob("*.taken"))


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of a file; one that was cut off is left out."""
    for line in path.read_bytes().splitlines():
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict) and isinstance(row.get("mark"), str):
            yield row


def watch_threads() -> None:
    """An error that ends a thread or the process goes into the log as well, and so into the inbox."""
    log = logging.getLogger("aiwriter.crashes")

    def thread_ended(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit or args.exc_value is None:
            return
        name = args.thread.name if args.thread else "?"
        log.error("the thread %s ended", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    threading.excepthook = thread_ended
