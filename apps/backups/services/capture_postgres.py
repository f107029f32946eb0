"""The capture of a PostgreSQL server: its write-ahead log, streamed by `pg_receivewal` from a slot, sealed in pieces.

A slot makes the server keep what was not received yet, so a process that was away misses nothing. `archive_command` would have to
run on the server's machine, as its user, with a key; streaming works from any machine and does not wait for 16 MiB to be full.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiwriter.core.errors import Unavailable
from aiwriter.core.late import psycopg
from apps.backups.services import postgres
from apps.backups.services.capture_chain import Chain
from apps.backups.services.capture_state import capture_folder

START = struct.Struct(">Q")
APPLICATION = "aiwriter_capture"
_BODY = 8 * 1024 * 1024
_QUIET = 300.0
_LOOK = 0.5
# A commit has its time before its record is in the log.
_MARGIN = 250
# Asynchronous commits are flushed by then; what is not flushed then is no commit.
_PATIENCE = 3.0


class WalGap(Exception):
    """The server's log cannot be followed from where the line ended; the text says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a line is bound to."""

    system: str
    timeline: int
    segment: int
    version: int

    def as_detail(self) -> dict[str, Any]:
        """For the record of the line."""
        return {
            "system": self.system,
            "timeline": self.timeline,
            "segment": self.segment,
            "version": self.version,
        }


def slot_name() -> str:
    """Of this installation: two portals on one server do not share one."""
    return f"aiwriter_{hashlib.sha256(str(capture_folder()).encode()).hexdigest()[:12]}"


def file_name(timeline: int, lsn: int, segment: int) -> str:
    """The file of the log that a position lies in."""
    number = lsn // segment
    per = 0x100000000 // segment
    return f"{timeline:08X}{number // per:08X}{number % per:08X}"


def as_lsn(text: str) -> int:
    """A position as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def connect() -> psycopg.Connection[Any]:
    """An ordinary connection of the portal's role.

    Raises:
        Unavailable: the server does not answer.
    """
    try:
        return psycopg.connect(**postgres.parameters(), autocommit=True)
    except psycopg.Error as error:
        raise Unavailable(f"The database does not answer: {error}.", remedy="Look at the health page.") from error


def look_at_server(opened: psycopg.Connection[Any]) -> Server:
    """What the server is, after seeing that it lets the portal follow its log.

    Raises:
        Unavailable: it does not, with what is to be changed.
    """
    role = str(postgres.parameters().get("user", ""))
    row = opened.execute(
        "SELECT current_setting('wal_level'), current_setting('max_wal_senders')::int, "
        "current_setting('max_replication_slots')::int, current_setting('server_version_num')::int, "
        "(SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user), pg_is_in_recovery()"
    ).fetchone()
    level, senders, slots, version, allowed, standby = row  # type: ignore[misc]
    if level == "minimal":
        raise Unavailable(
            "The server's wal_level is minimal: its log does not hold every change.",
            remedy="Set wal_level = replica in postgresql.conf and restart the server.",
        )
    if not senders or not slots:
        raise Unavailable(
            "The server lets nobody follow its log (max_wal_senders or max_replication_slots is 0).",
            remedy="Set both to 10 in postgresql.conf and restart the server.",
        )
    if standby:
        raise Unavailable("The server is a standby.", remedy="Capture from the primary: name it in DATABASE_URL.")
    if not allowed:
        raise Unavailable(
            "The portal's role may not follow the server's log.",
            remedy=f"Run as a superuser: ALTER ROLE {role or '…'} REPLICATION. A managed server that refuses this has "
            "a recovery of its own: use that, and keep the portal's backups beside it.",
        )
    try:
        system, timeline, segment = opened.execute(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()), "
            "(SELECT timeline_id FROM pg_control_checkpoint()), current_setting('wal_segment_size')"
        ).fetchone()  # type: ignore[misc]
    except psycopg.errors.InsufficientPrivilege as error:
        raise Unavailable(
            "The portal's role may not read the server's control data.",
            remedy=f"Run as a superuser: GRANT pg_monitor TO {role or '…'}; and GRANT EXECUTE ON FUNCTION "
            "pg_control_system(), pg_control_checkpoint() TO it.",
        ) from error
    return Server(system, int(timeline), _bytes(segment), int(version))


def _bytes(text: str) -> int:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * size
    return int(text)


class PostgresCapture:
    """Follows the server's log and seals it.

    Args:
        chain: where segments go.
        seconds: a change is sealed so long after it was made, at the latest.
    """

    def __init__(self, chain: Chain, *, seconds: float) -> None:
        self._chain, self._seconds = chain, seconds
        self._opened = connect()
        self._server = look_at_server(self._opened)
        self._folder = capture_folder() / "wal"
        self._receiver: subprocess.Popen[bytes] | None = None
        self._errors = capture_folder() / "receivewal.log"
        self._line: Any = None
        self._at = self._since = 0
        self._goal = (0, 0, 0.0)
        self._looked = self._sealed = self._started = self._noted = 0.0
        # Since when something has come that is not sealed.
        self._waiting = 0.0

    # ------------------------------------------------------------ beginning and end
    @property
    def line(self) -> Any:
        """The line that is captured."""
        return self._line

    def start(self, read_line: Callable[[str], Any]) -> None:
        """Go on where the last process was, if the server still has it; otherwise a new line."""
        state = self._chain.state
        slot = self._slot()
        why = self._broken(slot)
        if not why:
            self._line, why = self._chain.recall(read_line)
        if why:
            self._anew(why, slot)
        else:
            self._at, self._since = int(state.position["lsn"]), state.until
            self._chain.resume(self._line)
        self._receive()
        self._sealed = time.monotonic()
        self._chain.note()

    def _slot(self) -> tuple[int, str] | None:
        """Where the server keeps its log from, and whether it still does."""
        row = self._opened.execute(
            "SELECT restart_lsn::text, coalesce(wal_status, '') FROM pg_replication_slots WHERE slot_name = %s",
            [slot_name()],
        ).fetchone()
        return (as_lsn(row[0]) if row[0] else 0, row[1]) if row else None

    def _broken(self, slot: tuple[int, str] | None) -> str:
        state = self._chain.state
        position = state.position
        if not state.line:
            return "the first capture"
        if state.engine != "postgresql" or position.get("system") != self._server.system:
            return "another database was captured before"
        if position.get("timeline") != self._server.timeline:
            return "the server is on another timeline: it was restored or a standby was promoted"
        if slot is None:
            return "the server has no slot of the portal any more"
        start = int(position["lsn"]) // self._server.segment * self._server.segment
        there = (self._folder / self._name(start)).exists() or (self._folder / f"{self._name(start)}.partial").exists()
        if slot[1] == "lost" or (slot[0] > int(position["lsn"]) and not there):
            return "the server has thrown away its log before it was received"
        return ""

    def _anew(self, why: str, slot: tuple[int, str] | None) -> None:
        self._stop_receiver()
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            path.unlink()
        if slot is not None:
            with contextlib.suppress(psycopg.Error):
                self._opened.execute("SELECT pg_drop_replication_slot(%s)", [slot_name()])
        try:
            row = self._opened.execute(
                "SELECT lsn::text FROM pg_create_physical_replication_slot(%s, true)", [slot_name()]
            ).fetchone()
        except psycopg.Error as error:
            raise Unavailable(
                f"The server makes no slot: {error}.", remedy="Raise max_replication_slots, or drop slots nobody uses."
            ) from error
        # The whole file: a reader of the log looks at its first page.
        self._at = as_lsn(row[0]) // self._server.segment * self._server.segment  # type: ignore[index]
        self._line = self._chain.begin(
            engine="postgresql", reason=why, detail=self._server.as_detail(), position=self._position(self._at)
        )
        self._since, self._waiting = self._line.started, 0.0

    def _position(self, lsn: int) -> dict[str, Any]:
        return {"lsn": lsn, "system": self._server.system, "timeline": self._server.timeline}

    def _name(self, lsn: int) -> str:
        return file_name(self._server.timeline, lsn, self._server.segment)

    def _receive(self) -> None:
        """Start the receiver. It goes on behind the last whole file that is here, or where the slot begins."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [
            postgres.program("pg_receivewal", self._server.version // 10_000),
            f"--directory={self._folder}",
            f"--slot={slot_name()}",
            "--status-interval=1",
            "--no-loop",
            "--no-password",
        ]
        environment = {**postgres.environment(postgres.parameters()), "PGAPPNAME": APPLICATION}
        with self._errors.open("wb") as errors:
            self._receiver = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            )
        self._started = time.monotonic()

    def _stop_receiver(self) -> None:
        if self._receiver is not None:
            postgres.stop(self._receiver, 10)

    def close(self) -> None:
        """Take what has come, and let go. The slot stays: the server keeps what comes meanwhile."""
        with contextlib.suppress(psycopg.Error, OSError, WalGap):
            self._look()
            self._seal(self._goal[0], self._received())
        self._stop_receiver()
        self._opened.close()

    # ------------------------------------------------------------ the run
    def step(self, *, asked: bool) -> bool:
        """What is due now. Returns whether something was sealed.

        Raises:
            Unavailable: the server does not let the portal follow; what it keeps in the slot is not lost.
            OSError: the spool cannot be written.
        """
        now = time.monotonic()
        if self._receiver is not None and self._receiver.poll() is not None:
            self._mend()
        if not asked and now - self._looked < _LOOK:
            return False
        try:
            return self._step(now, asked=asked)
        except WalGap as gap:
            self._anew(str(gap), self._slot())
            self._receive()
            self._chain.note()
            return True
        except psycopg.Error as error:
            raise Unavailable(f"The database does not answer: {error}.", remedy="Look at the health page.") from error

    def _step(self, now: float, *, asked: bool) -> bool:
        self._looked = now
        if asked:
            self._wait()
        elif self._goal[0] == 0:
            self._look()
        received = self._received()
        arrived = received >= self._goal[1] or now - self._goal[2] > _PATIENCE
        waiting = received > self._at
        if waiting and not self._waiting:
            self._waiting = time.time()
        self._chain.state.note_pending(self._waiting)
        due = now - self._sealed >= (self._seconds if waiting else _QUIET) or received - self._at >= _BODY
        if not (asked or (due and arrived)):
            if now - self._noted >= 5.0:
                self._noted = now
                self._chain.note()
            return False
        self._seal(self._goal[0], received)
        self._waiting = 0.0
        self._chain.state.note_pending(self._waiting)
        self._look()
        return True

    def _look(self) -> None:
        """Note a moment, and how far the log was then."""
        moment, lsn = self._opened.execute(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, pg_current_wal_insert_lsn()::text"
        ).fetchone()  # type: ignore[misc]
        self._goal = (int(moment) - _MARGIN, as_lsn(lsn), time.monotonic())

    def _wait(self) -> None:
        """Until what was written up to now has come."""
        self._look()
        # A commit of a moment ago: the margin is waited for, so that the moment of the question is in it.
        time.sleep(_MARGIN / 1000)
        self._look()
        end = time.monotonic() + _PATIENCE
        while self._received() < self._goal[1] and time.monotonic() < end:
            time.sleep(0.1)

    def _received(self) -> int:
        """How far the receiver has written, as it told the server."""
        row = self._opened.execute(
            "SELECT max(write_lsn)::text FROM pg_stat_replication WHERE application_name = %s AND pid = "
            "(SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s)",
            [APPLICATION, slot_name()],
        ).fetchone()
        return max(self._at, as_lsn(row[0])) if row and row[0] else self._at

    def _seal(self, until: int, received: int) -> None:
        """Seal the log from where the last piece ended.

        Raises:
            WalGap: it is not here.
        """
        if until <= 0:
            return
        while received - self._at > _BODY:
            self._add(self._at + _BODY, until=self._since)
        self._add(received, until=until)
        self._sealed = time.monotonic()
        self._clear()

    def _add(self, end: int, *, until: int) -> None:
        body = START.pack(self._at) + (self._read(self._at, end) if end > self._at else b"")
        until = max(until, self._since)
        self._chain.add(since=self._since, until=until, body=body, position=self._position(end))
        self._at, self._since = end, until

    def _read(self, begin: int, end: int) -> bytes:
        size, parts = self._server.segment, []
        while begin < end:
            stop = min(end, (begin // size + 1) * size)
            name = self._name(begin)
            path = next((p for p in (self._folder / name, self._folder / f"{name}.partial") if p.exists()), None)
            if path is None:
                raise WalGap(f"the file {name} of the log is not there")
            with path.open("rb") as file:
                file.seek(begin % size)
                data = file.read(stop - begin)
            if len(data) != stop - begin:
                raise WalGap(f"the file {name} of the log is cut short")
            parts.append(data)
            begin = stop
        return b"".join(parts)

    def _clear(self) -> None:
        """Remove files that are sealed; the last whole one stays, because the receiver goes on behind it."""
        whole = sorted(path for path in self._folder.iterdir() if len(path.name) == 24)
        present = self._name(self._at)
        for path in [path for path in whole if path.name < present][:-1]:
            path.unlink()

    def _mend(self) -> None:
        """The receiver has ended: see why, and start it anew.

        Raises:
            Unavailable: the server refuses it.
        """
        said = self._errors.read_text(encoding="utf-8", errors="replace").strip()[-400:]
        if "requested WAL segment" in said and "removed" in said:
            self._anew("the server has thrown away its log before it was received", self._slot())
        elif time.monotonic() - self._started < 2.0:
            raise receiver_problem(said)
        self._receive()


def receiver_problem(said: str) -> Unavailable:
    """What a client of the replication protocol was refused, with the remedy."""
    role = str(postgres.parameters().get("user", "…"))
    if "pg_hba.conf" in said:
        remedy = f"Add to the server's pg_hba.conf: host replication {role} <address of the portal> scram-sha-256"
    elif "permission" in said or "superuser" in said:
        remedy = f"Run as a superuser: ALTER ROLE {role} REPLICATION"
    elif "all replication slots are in use" in said or "max_wal_senders" in said:
        remedy = "Raise max_wal_senders in postgresql.conf and restart the server."
    else:
        remedy = "See the server's log."
    return Unavailable(f"The server's log cannot be followed: {said or 'the program ended at once'}.", remedy=remedy)


__all__ = ["START", "PostgresCapture", "as_lsn", "connect", "file_name", "look_at_server", "receiver_problem"]
