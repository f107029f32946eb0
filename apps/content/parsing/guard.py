"""Has files read by a child process, and says in plain words what went wrong with them.

A child costs a tenth of a second to start, a small text a millisecond to read. So a child that did well is kept for a
minute and used again, but only for the same scope (workspace): text of one workspace never meets a process that has
read another's. A child that ran into a limit is thrown away.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from aiwriter.core.errors import AppError
from apps.content.parsing.child import READY
from apps.content.parsing.document import Limits, ParsedDocument
from apps.content.parsing.problems import REASONS

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 20.0
_OUTPUT_BYTES = 128 * 2**20
_FILES_PER_CHILD = 200
_RESIDENT_BYTES = 200 * 2**20
_KEPT = 2


class ParseFailure(AppError):
    """A file cannot be read.

    Args:
        reason: a key of `problems.REASONS`; goes into `Source.error_code`.
        detail: what exactly, in brackets behind the sentence.
        remedy: in place of the reason's own.
        filename: the file as the writer knows it.
    """

    def __init__(self, reason: str, detail: str = "", *, remedy: str = "", filename: str = "") -> None:
        known = REASONS.get(reason, REASONS["crashed"])
        sentence = known.message.rstrip(".")
        message = f"{sentence} ({detail})." if detail else known.message
        super().__init__(f"{filename}: {message}" if filename else message, field="file", remedy=remedy or known.remedy)
        self.reason = reason if reason in REASONS else "crashed"
        self.code = f"file_{self.reason}"
        self.status = known.status


class ParseItem(NamedTuple):
    """One file of a batch. `key` is the caller's own name for it."""

    key: str
    path: Path
    filename: str
    content_type: str = ""


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    scope: str
    limits: Limits
    owner: int
    used: int = 0
    last_used: float = 0.0

    def end(self) -> None:
        """Stop at once and reap."""
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # a broken pipe has nothing left to flush
                    pass
        self.process.wait()


_idle: list[_Child] = []
_lock = threading.Lock()


def parse_file(
    path: Path | str, *, filename: str, content_type: str = "", limits: Limits | None = None, scope: str = ""
) -> ParsedDocument:
    """Read one file.

    Args:
        path: where it lies on this machine.
        filename: as the writer named it.
        content_type: what the browser claimed; only a hint.
        limits: what it may cost.
        scope: whose file it is; see the module.

    Raises:
        ParseFailure: it cannot be read; `.reason` says why.
    """
    limits = limits or Limits()
    size = _size(path, filename)
    if size > limits.file_bytes:
        allowed = f"{size / 2**20:,.0f} MB; {limits.file_bytes / 2**20:,.0f} MB are allowed"
        raise ParseFailure("too_large", allowed, filename=filename)
    child = _take(scope, limits)
    request = {
        "path": str(path),
        "filename": filename,
        "content_type": content_type,
        "limits": limits.as_json(),
    }
    try:
        reply = _ask(child, request, limits)
    except _Lost as lost:
        child.end()
        raise ParseFailure(lost.reason, filename=filename) from None
    except BaseException:
        child.end()
        raise
    _give_back(child, reply)
    if "document" in reply:
        return ParsedDocument.from_json(reply["document"])
    reason, detail, remedy = reply["problem"]
    raise ParseFailure(reason, detail, remedy=remedy, filename=filename)


def parse_files(
    items: Iterable[ParseItem], *, limits: Limits | None = None, scope: str = ""
) -> Iterator[tuple[ParseItem, ParsedDocument | ParseFailure]]:
    """Read many files, one after the other, in as few processes as their faults allow."""
    for item in items:
        try:
            yield (
                item,
                parse_file(
                    item.path, filename=item.filename, content_type=item.content_type, limits=limits, scope=scope
                ),
            )
        except ParseFailure as failure:
            yield item, failure


def parse_text(text: str, *, filename: str, limits: Limits | None = None, scope: str = "") -> ParsedDocument:
    """Read text that did not come as a file, such as a document of the portal.

    Args:
        text: the text.
        filename: names its kind: "note.md", "page.html", "note.txt".

    Raises:
        ParseFailure: see `parse_file`.
    """
    with tempfile.NamedTemporaryFile(prefix="aiwriter-", suffix=".txt") as file:
        file.write(text.encode("utf-8", "surrogatepass"))
        file.flush()
        return parse_file(file.name, filename=filename, limits=limits, scope=scope)


def close_idle() -> None:
    """End the children that are kept warm, for shutdown and tests."""
    with _lock:
        children = [child for child in _idle if child.owner == os.getpid()]
        _idle.clear()
    for child in children:
        child.end()


def _size(path: Path | str, filename: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError as error:
        raise ParseFailure("missing", filename=filename) from error


class _Lost(Exception):
    """The child is gone or silent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _take(scope: str, limits: Limits) -> _Child:
    ended: list[_Child] = []
    chosen: _Child | None = None
    with _lock:
        for child in list(_idle):
            if child.owner != os.getpid():
                _idle.remove(child)  # belongs to the process that this one was forked from
            elif child.process.poll() is not None:
                _idle.remove(child)
                ended.append(child)
            elif chosen is None and child.scope == scope and child.limits.memory_bytes == limits.memory_bytes:
                _idle.remove(child)
                chosen = child
    for child in ended:
        child.end()
    return chosen or _start(scope, limits)


def _give_back(child: _Child, reply: dict[str, Any]) -> None:
    child.used += 1
    child.last_used = time.monotonic()
    hurt = reply.get("problem", [""])[0] in {"out_of_memory", "crashed"}
    surplus: list[_Child] = []
    if hurt or child.used >= _FILES_PER_CHILD or int(reply.get("resident", 0)) > _RESIDENT_BYTES:
        surplus.append(child)
    else:
        with _lock:
            _idle.append(child)
            while len(_idle) > _KEPT:
                surplus.append(_idle.pop(0))
    for old in surplus:
        old.end()


def _start(scope: str, limits: Limits) -> _Child:
    # -E and the empty environment keep settings and secrets of the portal out of the child.
    process = subprocess.Popen(
        [sys.executable, "-E", "-s", "-m", "apps.content.parsing.child", json.dumps(limits.as_json())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_ROOT,
        env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
        start_new_session=True,
    )
    child = _Child(process=process, scope=scope, limits=limits, owner=os.getpid())
    try:
        ready = _read(child, len(READY), time.monotonic() + _START_SECONDS)
    except _Lost:
        ready = b""
    if ready != READY:
        if process.poll() is None:
            process.kill()
        complaint = process.stderr.read(4000) if process.stderr else b""
        child.end()
        logger.error("The reader did not start: %s", complaint.decode("utf-8", "replace")[-2000:])
        raise ParseFailure("unavailable")
    return child


def _ask(child: _Child, request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    deadline = time.monotonic() + limits.wall_seconds
    assert child.process.stdin is not None  # noqa: S101
    try:
        child.process.stdin.write(json.dumps(request).encode() + b"\n")
        child.process.stdin.flush()
    except OSError as error:
        raise _Lost("crashed") from error
    length = int.from_bytes(_read(child, 8, deadline), "big")
    if length > _OUTPUT_BYTES:
        raise _Lost("too_large")
    reply: dict[str, Any] = json.loads(_read(child, length, deadline).decode("utf-8", "replace"))
    return reply


def _read(child: _Child, length: int, deadline: float) -> bytes:
    """Exactly that many bytes.

    Raises:
        _Lost: "timed_out" at the deadline; else by the way in which the child ended.
    """
    assert child.process.stdout is not None  # noqa: S101
    number = child.process.stdout.fileno()
    pieces: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        while length > 0:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _Lost("timed_out")
            piece = os.read(number, min(length, 2**20))
            if not piece:
                raise _Lost(_cause(child.process.wait()))
            pieces.append(piece)
            length -= len(piece)
    return b"".join(pieces)


def _cause(code: int) -> str:
    """Why a child ended: the kernel's signal for used-up processor time and for memory, or a fault."""
    import signal

    if code == -signal.SIGXCPU:
        return "timed_out"
    return "out_of_memory" if code == -signal.SIGKILL else "crashed"
