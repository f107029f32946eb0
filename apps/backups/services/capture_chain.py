"""Sealed segments on their way: into the spool of this machine, and from there into the repository."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.db import connection

from aiwriter.core.errors import AppError
from aiwriter.core.wholefiles import write_whole
from apps.backups.models import Destination
from apps.backups.repository.errors import RepositoryError
from apps.backups.repository.records import Records
from apps.backups.repository.repository import Repository
from apps.backups.repository.segments import FIRST_LINK, LINES, SEGMENTS, Line, Sealer, encode_line, new_line
from apps.backups.services.capture_state import CaptureState, spool_folder, write_state
from apps.backups.services.repositories import open_repository
from apps.backups.services.stores import open_store

_KEPT_GAPS = 50


class Chain:
    """The line that is captured now.

    A segment is durable in the spool before the state says so, and goes into the repository only afterwards. So a
    process that is killed in between finds the state that it had before, and takes the same changes again.

    Args:
        state: what was written last; changed here.
        repository: opened with the writer's secret.
    """

    def __init__(self, state: CaptureState, repository: Repository) -> None:
        self.state = state
        self._repository = repository
        self._sealer: Sealer | None = None
        self._lock = threading.Lock()

    def recall(self, read_line: Callable[[str], Line]) -> tuple[Line | None, str]:
        """The line of the state, or why it cannot be gone on with."""
        try:
            return read_line(self.state.line), ""
        except (RepositoryError, AppError, OSError, ValueError, KeyError) as error:
            return None, f"the record of the line cannot be read ({error})"

    def resume(self, line: Line) -> None:
        """Go on with the line of the state. What was sealed and never noted is thrown away and taken again."""
        for path in _spooled(self.state.line):
            if path.name != "line" and int(path.name.partition("-")[0]) > self.state.number:
                path.unlink()
        self._sealer = Sealer(self._repository, line)

    def begin(self, *, engine: str, reason: str, detail: Mapping[str, Any], position: Mapping[str, Any]) -> Line:
        """A new line, because the old one cannot be gone on with."""
        now = time.time()
        line = new_line(engine=engine, reason=reason, detail=detail, now=now)
        _name, data = encode_line(self._repository, line)
        write_whole(spool_folder() / line.id / "line", data)
        state = self.state
        with self._lock:
            if state.line:
                gap = {"from": state.until, "until": line.started, "why": reason}
                state.gaps = [*state.gaps, gap][-_KEPT_GAPS:]
            state.line, state.engine, state.started = line.id, engine, line.started
            state.number, state.link, state.until, state.shipped = 0, FIRST_LINK, line.started, 0
            state.position, state.pending_since = dict(position), 0.0
            write_state(state, durable=True)
        self._sealer = Sealer(self._repository, line)
        return line

    def renew(self, repository: Repository, line: Line) -> None:
        """Use a repository that was opened anew: its keys may have been changed."""
        self._repository = repository
        self._sealer = Sealer(repository, line)

    def add(
        self,
        *,
        since: int,
        until: int,
        body: bytes,
        position: Mapping[str, Any],
    ) -> None:
        """Seal what was taken, durably, and note where to go on."""
        if self._sealer is None:
            raise RuntimeError("there is no line")
        state = self.state
        until = max(until, state.until)
        stored, link, data = self._sealer.seal(
            number=state.number + 1, previous=state.link, since=since, until=until, body=body
        )
        write_whole(spool_folder() / state.line / stored.name.rpartition("/")[2], data)
        with self._lock:
            state.number, state.link, state.until, state.position = stored.number, link, until, dict(position)
            write_state(state, durable=True)

    def note(self, *, durable: bool = False) -> None:
        """Write the state, as a sign of life."""
        with self._lock:
            self.state.beat = time.time()
            write_state(self.state, durable=durable)


def _spooled(line: str) -> list[Path]:
    folder = spool_folder() / line
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


class Shipper(threading.Thread):
    """Carries the spool into the repository, in order; what cannot be carried now stays and is tried again."""

    def __init__(self, destination: Destination, chain: Chain) -> None:
        super().__init__(name="capture-shipper", daemon=True)
        self._destination, self._chain = destination, chain
        self._over = threading.Event()
        self.wake = threading.Event()

    def run(self) -> None:
        """Until `finish`."""
        pause = 0.5
        while not self._over.is_set():
            self.wake.wait(pause)
            self.wake.clear()
            pause = 0.5 if self.ship() else min(60.0, pause * 2)
        self.ship()

    def finish(self, patience: float = 10.0) -> None:
        """Carry what is left, and end."""
        self._over.set()
        self.wake.set()
        self.join(patience)

    def ship(self) -> bool:
        """Carry what is there. False when the place does not take it."""
        state = self._chain.state
        try:
            lines = sorted(path.name for path in spool_folder().iterdir()) if spool_folder().is_dir() else []
            records = Records(open_store(self._destination)) if any(_spooled(line) for line in lines) else None
            for line in lines:
                self._ship_line(line, records, state)
        except (RepositoryError, AppError, OSError) as error:
            remedy = str(getattr(error, "remedy", "") or "Look at the place for backups.")
            state.tell("shipper", str(getattr(error, "message", "") or error), remedy)
            return False
        finally:
            connection.close()
        state.well("shipper")
        return True

    def _ship_line(self, line: str, records: Records | None, state: CaptureState) -> None:
        # The record of the line first: "line" sorts behind the numbers.
        for path in sorted(_spooled(line), key=lambda each: (each.name != "line", each.name)):
            if records is None:
                return
            if path.name == "line":
                records.put(LINES + line, path.read_bytes())
            else:
                number, _, until = path.name.partition("-")
                if line == state.line and int(number) > state.number:
                    return
                records.put(f"{SEGMENTS}{line}/{path.name}", path.read_bytes())
                if line == state.line:
                    state.shipped, state.shipped_until = int(number), int(until)
            path.unlink()
        if line != state.line:
            shutil.rmtree(spool_folder() / line, ignore_errors=True)


def open_place(destination_id: str) -> tuple[Destination, Repository]:
    """The place that is captured to, and its repository.

    Raises:
        AppError: it cannot be used now.
    """
    destination = Destination.objects.select_related("profile").get(pk=destination_id)
    return destination, open_repository(destination)
