"""The capture of a SQLite database: who committed how much when, and the pages themselves."""

from __future__ import annotations

import sqlite3
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.backups.services.capture_chain import Chain
from apps.backups.services.sqlite_wal import Gap, Head, WriteAheadLog

# How often the log is looked at: so exactly the time of a commit is known.
RESOLUTION = 0.05
RECORD = struct.Struct(">QQII")
PAGE = struct.Struct(">I")
_BODY = 8 * 1024 * 1024
# As SQLite's own: a log of 4 MiB with pages of 4 KiB.
_LONG = 1000
_QUIET = 300.0
_BEAT = 5.0
CLOCK_BEHIND = 2.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What was committed between two looks at the log, in milliseconds."""

    after: int
    at: int
    head: Head


class Sampler(threading.Thread):
    """Looks at the index of the log twenty times a second and notes when it has grown."""

    def __init__(self, log: WriteAheadLog, head: Head) -> None:
        super().__init__(name="capture-sampler", daemon=True)
        self._log, self._last = log, head
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._marks: deque[Mark] = deque()
        self._seen = int(time.time() * 1000)
        self.problem: Gap | None = None

    def run(self) -> None:
        """Until `finish`."""
        while not self._over.wait(RESOLUTION):
            try:
                self.look()
            except (Gap, OSError) as error:
                self.problem = error if isinstance(error, Gap) else Gap(str(error))
                return

    def look(self) -> None:
        """Once."""
        with self._lock:
            head = self._log.head()
            # A clock that was set back must not turn the order of changes around.
            now = max(self._seen, int(time.time() * 1000))
            if (head.salt, head.frames) != (self._last.salt, self._last.frames):
                if head.frames:
                    self._marks.append(Mark(self._seen, now, head))
                self._last = head
            self._seen = now

    def finish(self) -> None:
        """End."""
        self._over.set()
        self.join(5)

    def take(self) -> tuple[list[Mark], int]:
        """The marks since the last call, and the moment up to which there are no others."""
        with self._lock:
            found = list(self._marks)
            self._marks.clear()
            return found, self._seen

    @property
    def clock_behind(self) -> float:
        """Seconds by which the clock stands before what it has shown already: somebody has set it back."""
        return max(0.0, self._seen / 1000 - time.time())

    @property
    def oldest(self) -> Mark | None:
        """The first mark that was not taken."""
        with self._lock:
            return self._marks[0] if self._marks else None

    @property
    def last(self) -> Head:
        """What was seen last."""
        return self._last


class SqliteCapture:
    """Takes what is committed, seals it, and keeps the log short.

    Args:
        path: the database.
        chain: where segments go.
        seconds: a change is sealed so long after it was made, at the latest.
    """

    def __init__(self, path: Path, chain: Chain, *, seconds: float) -> None:
        self._chain, self._seconds = chain, seconds
        self._log = WriteAheadLog(path)
        self._salt, self._frame = b"", 0
        self._since = 0
        self._line: Any = None
        self._sealed = self._turned = self._noted = 0.0
        self._left: list[Mark] = []
        self._ready = (b"", 0)
        self._sampler: Sampler | None = None

    # ------------------------------------------------------------ beginning and end
    def start(self, read_line: Any) -> None:
        """Go on where the last process was, if that can be shown; otherwise a new line."""
        head = self._log.head()
        state = self._chain.state
        why = self._broken(head)
        self._since = int(time.time() * 1000)
        if not why:
            self._line, why = self._chain.recall(read_line)
        if why:
            self._anew(head, why)
        else:
            self._salt, self._frame = head.salt, int(state.position["frame"])
            self._chain.resume(self._line)
            if head.frames > self._frame:
                # What was committed while nobody looked: it is complete, but its times are known only as a span.
                self._left.append(Mark(state.until, self._since, head))
        self._sampler = Sampler(self._log, head)
        self._sampler.start()
        self._sealed = time.monotonic()
        self._chain.note()

    def _broken(self, head: Head) -> str:
        state = self._chain.state
        position = state.position
        if not state.line:
            return "the first capture"
        if state.engine != "sqlite" or "salt" not in position:
            return "another database was captured before"
        frame = int(position["frame"])
        if head.salt.hex() != position["salt"] or head.frames < frame:
            return "the log was started anew while nobody captured"
        if frame and self._log.checksum(frame, head).hex() != position["checksum"]:
            return "the log is not the one that was captured"
        return ""

    def _anew(self, head: Head, why: str) -> None:
        self._salt, self._frame = head.salt, head.frames
        self._left.clear()
        self._line = self._chain.begin(
            engine="sqlite", reason=why, detail={"page_size": head.page_size}, position=self._position(head)
        )
        self._since = self._line.started

    @property
    def line(self) -> Any:
        """The line that is captured."""
        return self._line

    def close(self) -> None:
        """Take what is left, under the write lock, and let go."""
        if self._sampler is not None:
            try:
                with self._log.turn():
                    self._sampler.look()
                    self.seal()
            except (Gap, OSError, sqlite3.Error):
                # The next process sees from the log that something is not taken.
                pass
            self._sampler.finish()
        self._log.close()

    # ------------------------------------------------------------ the run
    def step(self, *, asked: bool) -> bool:
        """What is due now. Returns whether something was sealed.

        Raises:
            OSError: the spool cannot be written. Nothing is lost: the log keeps it.
        """
        if self._sampler is None:
            raise RuntimeError("the capture was not started")
        if self._sampler.problem is not None:
            self._sampler.finish()
            return self._recover(self._sampler.problem)
        now = time.monotonic()
        try:
            if asked:
                self._sampler.look()
            sealed = self._due(now) or asked
            self._note_pending()
            if sealed:
                self.seal()
            if (
                self._sampler.last.frames >= _LONG
                and (self._sampler.last.salt, self._sampler.last.frames) != self._ready
                and now - self._turned >= 1.0
            ):
                self._turn()
            self._note_pending()
            if now - self._noted >= _BEAT or sealed:
                self._noted = now
                self._note_clock()
                self._chain.note()
            return sealed
        except Gap as gap:
            return self._recover(gap)

    def _note_clock(self) -> None:
        state, behind = self._chain.state, self._sampler.clock_behind if self._sampler else 0.0
        if behind > CLOCK_BEHIND:
            words = f"The clock of this machine was set back by {behind:,.0f} s: until it has caught up, all changes bear one time."
            state.tell("clock", words, "Set the clock of this machine right (timedatectl). Nothing is lost.")
        else:
            state.well("clock")

    def _note_pending(self) -> None:
        oldest = self._left[0] if self._left else self._sampler and self._sampler.oldest
        self._chain.state.note_pending(oldest.after / 1000 if oldest else 0.0)

    def _due(self, now: float) -> bool:
        if self._left or now - self._sealed >= _QUIET:
            return True
        if self._sampler is None or (oldest := self._sampler.oldest) is None:
            return False
        head = self._sampler.last
        if head.salt != self._salt:
            # A new beginning of the log is noted at once: whoever goes on after a kill must know of it.
            return True
        waiting = head.frames - self._frame
        age = time.time() - oldest.at / 1000
        # Below zero: the clock was set back, and would have to catch up first.
        return age < 0 or age >= self._seconds or waiting * head.page_size >= _BODY

    def _recover(self, gap: Gap) -> bool:
        if self._sampler is not None:
            self._sampler.finish()
        # Whatever the reason: stand guard first, then begin anew from there.
        self._log.advance()
        head = self._log.head()
        self._anew(head, str(gap))
        self._sampler = Sampler(self._log, head)
        self._sampler.start()
        self._chain.note()
        return True

    def seal(self) -> None:
        """Take everything that was marked. What cannot be sealed stays marked.

        Raises:
            Gap: something has left the log unseen.
            OSError: the spool cannot be written.
        """
        if self._sampler is None:
            return
        fresh, seen = self._sampler.take()
        self._left += fresh
        body = bytearray()
        head, salt, frame = self._log.head(), self._salt, self._frame
        for mark in list(self._left):
            head = mark.head
            if head.salt != salt:
                self._require_next(head, salt)
                salt, frame = head.salt, 0
            pages: dict[int, bytes] = {}
            ends = 1
            for number, (page, committed, data) in enumerate(self._log.frames(frame + 1, head.frames, head), frame + 1):
                pages[page], ends = data, committed
                if len(pages) * head.page_size >= _BODY and number < head.frames:
                    # Part of a commit: its moments cannot be reached before its last part is there.
                    body += _record(mark, pages)
                    self._add(body, head, number, until=mark.after)
            if not ends:
                raise Gap(f"frame {head.frames} of the log ends no transaction")
            body += _record(mark, pages)
            frame = head.frames
            if len(body) >= _BODY:
                self._add(body, head, frame, until=mark.at)
        self._add(body, head if self._left else self._log.head(), frame, until=seen, salt=salt)
        self._sealed = time.monotonic()

    @staticmethod
    def _require_next(head: Head, salt: bytes) -> None:
        """While a guard stands, the log is started anew at most once, and only after everything was taken.

        An empty log has no salt yet; its first writer rolls one.
        """
        if any(salt) and head.generation != (int.from_bytes(salt[:4], "big") + 1) & 0xFFFFFFFF:
            raise Gap("the log was started anew more than once")

    def _add(self, body: bytearray, head: Head, frame: int, *, until: int, salt: bytes = b"") -> None:
        salt = salt or head.salt
        checksum = self._log.checksum(frame, head) if frame and head.salt == salt else b""
        if frame and not checksum:
            raise Gap(f"frame {frame} of the log is gone")
        self._chain.add(
            since=self._since,
            until=until,
            body=bytes(body),
            position={"salt": salt.hex(), "frame": frame, "checksum": checksum.hex()},
        )
        body.clear()
        self._salt, self._frame, self._since = salt, frame, until
        self._left = [mark for mark in self._left if mark.head.salt != salt or mark.head.frames > frame]

    def _position(self, head: Head) -> dict[str, Any]:
        checksum = self._log.checksum(head.frames, head).hex() if head.frames else ""
        return {"salt": head.salt.hex(), "frame": head.frames, "checksum": checksum}

    def _turn(self) -> None:
        """Have the log started anew: most of it is moved while everybody writes on, the rest under the write lock."""
        head = self._log.head()
        self._turned = time.monotonic()
        if (head.salt, head.frames) == self._ready:
            return
        self._log.advance()
        self._log.backfill()
        try:
            with self._log.turn() as turn:
                self._sampler.look()  # type: ignore[union-attr]
                self.seal()
                head = self._log.head()
                if turn.finish():
                    self._ready = (head.salt, head.frames)
        except sqlite3.OperationalError:
            # Somebody else writes for long; the log grows meanwhile and nothing is lost.
            return


def _record(mark: Mark, pages: dict[int, bytes]) -> bytes:
    """One look: its span, the size of the database afterwards, the pages as they are then."""
    head = RECORD.pack(mark.after, mark.at, mark.head.pages, len(pages))
    return head + b"".join(PAGE.pack(number) + data for number, data in sorted(pages.items()))


def records(body: bytes, page_size: int) -> Iterator[tuple[int, int, int, Iterator[tuple[int, memoryview]]]]:
    """The looks in a segment: after, at, pages of the database, and pages with their numbers."""
    view, at = memoryview(body), 0
    while at < len(view):
        after, moment, size, count = RECORD.unpack_from(view, at)
        at += RECORD.size
        yield after, moment, size, _pages(view, at, count, page_size)
        at += count * (PAGE.size + page_size)


def _pages(view: memoryview, at: int, count: int, page_size: int) -> Iterator[tuple[int, memoryview]]:
    for _ in range(count):
        (number,) = PAGE.unpack_from(view, at)
        yield number, view[at + PAGE.size : at + PAGE.size + page_size]
        at += PAGE.size + page_size
