"""Brings events from the database to the browsers of this process: one thread, one connection, however many browsers.

A connection for each browser costs 228 µs a token at 200 browsers, one pump for all 1 to 6 µs. The thread reads what is
new, makes each event into bytes once, and hands every browser its share; the bytes are not parsed on the way.

On SQLite transactions are written one after the other, so "id greater than the last one" misses nothing. On PostgreSQL
ids of two workers may be committed in the other order, so that question would miss events for ever; there the workers
name the generations in a notification, which is delivered in the order of commits, and the pump asks for those by their
number within the generation. Once a second it asks for all of them, should a notification have been lost with its
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import selectors
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import close_old_connections, connection

from aiwriter.core import direct
from apps.content.models import Generation, GenerationEvent

logger = logging.getLogger(__name__)

POLL = 0.04
SAFETY_POLL = 1.0
# Streams that come within this time of each other are begun together: of a thousand that come at once, each would
# otherwise cost three questions to the database. On PostgreSQL events wait for each other as long.
GATHER = 0.02
HEARTBEAT = 15.0
IDLE = 5.0
# A browser that has so much waiting reads slower than a model writes; it is dropped and comes back with its last id.
MAX_WAITING = 512 * 1024
CHANNEL = "aiwriter_events"
_HEARTBEAT = b": still here\n\n"
_MANY = 5_000
Row = tuple[int, uuid.UUID, int, str, str]


@dataclass(eq=False, slots=True)
class Subscriber:
    """One open stream. Everything but `seq` belongs to the event loop.

    Args:
        generation_id: whose events.
        seq: number of the last event that was handed over; belongs to the pump's thread.
        loop: where the stream is served.
    """

    generation_id: uuid.UUID
    seq: int
    loop: asyncio.AbstractEventLoop
    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    waker: asyncio.Future[None] | None = None
    ended: bool = False
    dropped: bool = False
    missing: bool = False
    quiet_since: float = 0.0

    def give(self, data: bytes, *, ended: bool = False) -> None:
        """Hand bytes over, on the event loop."""
        if self.ended or self.dropped:
            return
        self.waiting.append(data)
        self.size += len(data)
        self.ended = ended
        if self.size > MAX_WAITING:
            self.dropped = True
        self.wake()

    def wake(self) -> None:
        """Let the stream look at its state."""
        if self.waker is not None and not self.waker.done():
            self.waker.set_result(None)


class Pump:
    """See the module. One for each process: `pump`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._joining: list[Subscriber] = []
        self._listening: dict[uuid.UUID, list[Subscriber]] = defaultdict(list)
        self._thread: threading.Thread | None = None
        self._waiter: _Poll | _Notifications | None = None
        self._to_replay: list[Subscriber] = []
        self._last_id = 0
        self._hearts = 0.0

    def join(self, subscriber: Subscriber) -> None:
        """Begin to serve a stream: first what is there behind its number, then what comes."""
        with self._lock:
            self._joining.append(subscriber)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event-pump", daemon=True)
                self._thread.start()
        self._ring()

    def leave(self, subscriber: Subscriber) -> None:
        """Stop to serve a stream."""
        with self._lock:
            if subscriber in self._joining:
                self._joining.remove(subscriber)
            others = self._listening.get(subscriber.generation_id)
            if others and subscriber in others:
                others.remove(subscriber)
                if not others:
                    del self._listening[subscriber.generation_id]

    def _ring(self) -> None:
        with self._lock:
            if self._waiter is not None:
                self._waiter.ring()

    # ------------------------------------------------------------ the thread
    def _run(self) -> None:
        while True:
            waiter: _Poll | _Notifications | None = None
            try:
                close_old_connections()
                waiter = _Notifications() if connection.vendor == "postgresql" else _Poll()
                with self._lock:
                    self._waiter = waiter
                self._serve(waiter)
                return
            except Exception:
                # The database is away. Streams stay open: browsers that reconnect would only add to its load.
                logger.warning("Events could not be read; trying again", exc_info=True)
                time.sleep(1.0)
            finally:
                with self._lock:
                    self._waiter = None
                if waiter is not None:
                    waiter.close()
                connection.close()

    def _serve(self, waiter: _Poll | _Notifications) -> None:
        """Until nobody has listened for five seconds."""
        quiet_since = time.monotonic()
        while True:
            begun = time.monotonic()
            with self._lock:
                joining, self._joining = self._joining, []
                for subscriber in joining:
                    self._listening[subscriber.generation_id].append(subscriber)
                listening = bool(self._listening)
                if not listening and time.monotonic() - quiet_since > IDLE:
                    self._thread, self._last_id = None, 0
                    return
            if listening:
                quiet_since = time.monotonic()
                if not self._last_id:
                    # Before the replay: what is written in between is then in both, and given once.
                    last = GenerationEvent.objects.order_by("-id").values_list("id", flat=True).first()
                    self._last_id = last or 0
                self._to_replay += joining
                if self._to_replay:
                    self._replay(self._to_replay)
                    self._to_replay = []
                self._live(waiter)
                self._heartbeats()
            waiter.wait()
            time.sleep(max(0.0, begun + GATHER - time.monotonic()))

    def _replay(self, joining: list[Subscriber]) -> None:
        """What is there already, for those who have just come."""
        close_old_connections()
        ids = {subscriber.generation_id for subscriber in joining}
        found = Generation.objects.filter(pk__in=ids)
        states = {pk: (state, text) for pk, state, text in found.values_list("pk", "state", "output_markdown")}
        oldest = {
            each: min(subscriber.seq for subscriber in joining if subscriber.generation_id == each) for each in ids
        }
        self._hand_over(_events_after(oldest), only=set(joining))
        for subscriber in joining:
            state, text = states.get(subscriber.generation_id, ("", ""))
            if not state:
                _call(subscriber.loop, _miss, subscriber)
            elif state in Generation.FINAL_STATES:
                # Follows the event "done", and is then ignored, unless the events were tidied away.
                _call(subscriber.loop, _deliver, [(subscriber, _ending(subscriber.seq, state, text), True)])

    def _live(self, waiter: _Poll | _Notifications) -> None:
        if isinstance(waiter, _Notifications):
            named = waiter.take()
            with self._lock:
                wanted = {
                    each: min(subscriber.seq for subscriber in subscribers)
                    for each, subscribers in self._listening.items()
                    if named is None or each in named
                }
            self._hand_over(_events_after(wanted))
        elif rows := _events_behind(self._last_id):
            self._hand_over(rows)
            self._last_id = rows[-1][0]

    def _hand_over(self, rows: list[Row], only: set[Subscriber] | None = None) -> None:
        by_generation: dict[uuid.UUID, list[tuple[int, bytes, bool]]] = defaultdict(list)
        for _, generation_id, seq, kind, data in rows:
            if generation_id in self._listening:
                by_generation[generation_id].append((seq, frame(seq, kind, data), kind == "done"))
        shares: dict[asyncio.AbstractEventLoop, list[tuple[Subscriber, bytes, bool]]] = defaultdict(list)
        for generation_id, events in by_generation.items():
            whole = b"".join(data for _, data, _ in events)
            first, last, ended = events[0][0], events[-1][0], events[-1][2]
            with self._lock:
                subscribers = list(self._listening.get(generation_id, ()))
            for subscriber in subscribers:
                if (only is not None and subscriber not in only) or subscriber.seq >= last:
                    continue
                share = whole
                if subscriber.seq >= first:
                    share = b"".join(piece for seq, piece, _ in events if seq > subscriber.seq)
                subscriber.seq = last
                subscriber.quiet_since = time.monotonic()
                shares[subscriber.loop].append((subscriber, share, ended))
        for loop, batch in shares.items():
            _call(loop, _deliver, batch)

    def _heartbeats(self) -> None:
        now = time.monotonic()
        if now - self._hearts < 1.0:
            return
        self._hearts = now
        with self._lock:
            quiet = [s for group in self._listening.values() for s in group if now - s.quiet_since > HEARTBEAT]
        shares: dict[asyncio.AbstractEventLoop, list[tuple[Subscriber, bytes, bool]]] = defaultdict(list)
        for subscriber in quiet:
            subscriber.quiet_since = now
            shares[subscriber.loop].append((subscriber, _HEARTBEAT, False))
        for loop, batch in shares.items():
            _call(loop, _deliver, batch)


class _Poll:
    """Waits 40 ms, or until a stream comes."""

    def __init__(self) -> None:
        self._bell = threading.Event()

    def ring(self) -> None:
        self._bell.set()

    def wait(self) -> None:
        self._bell.wait(POLL)
        self._bell.clear()

    def close(self) -> None:
        return


class _Notifications:
    """Waits for a notification, a stream that comes, or a second."""

    def __init__(self) -> None:
        # A connection of its own: one that listens cannot go back into a pool.
        import psycopg  # here: it takes 0.2 s of every start, and nothing on SQLite needs it

        self._connection = psycopg.connect(**direct.parameters(), autocommit=True)
        self._connection.execute(f"LISTEN {CHANNEL}")
        self._wires = os.pipe()
        self._asked_all = 0.0

    def ring(self) -> None:
        os.write(self._wires[1], b"!")

    def wait(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.fileno(), selectors.EVENT_READ)
            selector.register(self._wires[0], selectors.EVENT_READ)
            for key, _ in selector.select(SAFETY_POLL):
                if key.fd == self._wires[0]:
                    os.read(self._wires[0], 65_536)

    def take(self) -> set[uuid.UUID] | None:
        """The generations that were named since the last time; None for all."""
        named = {
            uuid.UUID(each)
            for notification in self._connection.notifies(timeout=0)
            for each in notification.payload.split()
        }
        if time.monotonic() - self._asked_all > SAFETY_POLL:
            self._asked_all = time.monotonic()
            return None
        return named

    def close(self) -> None:
        self._connection.close()
        for wire in self._wires:
            os.close(wire)


def frame(seq: int, kind: str, data: str) -> bytes:
    """One server-sent event. JSON has no line break of its own, so it is one data line."""
    return f"id: {seq}\nevent: {kind}\ndata: {data}\n\n".encode()


def _events_behind(last_id: int) -> list[Row]:
    """New events of all generations, in the order in which they were written."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, generation_id, seq, type, data FROM content_generationevent WHERE id > %s ORDER BY id LIMIT %s",
            [last_id, _MANY],
        )
        return [_row(row) for row in cursor.fetchall()]


def _events_after(wanted: Mapping[uuid.UUID, int]) -> list[Row]:
    """Events of some generations behind a number each, in the order of their numbers."""
    rows: list[Row] = []
    for part in _parts(wanted.items(), 400):
        condition = " OR ".join(["(generation_id = %s AND seq > %s)"] * len(part))
        values = [value for each, seq in part for value in (GenerationEvent.objects.key(each), seq)]
        text = "data::text" if connection.vendor == "postgresql" else "data"
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, generation_id, seq, type, {text} FROM content_generationevent"  # noqa: S608
                f" WHERE {condition} ORDER BY generation_id, seq",
                values,
            )
            rows += [_row(row) for row in cursor.fetchall()]
    return rows


def _parts(items: Iterable[tuple[uuid.UUID, int]], size: int) -> Iterable[list[tuple[uuid.UUID, int]]]:
    everything = list(items)
    return (everything[start : start + size] for start in range(0, len(everything), size))


def _row(row: tuple[Any, ...]) -> Row:
    key = row[1] if isinstance(row[1], uuid.UUID) else uuid.UUID(row[1])
    return row[0], key, row[2], row[3], row[4]


def _ending(seq: int, state: str, text: str) -> bytes:
    """For a generation whose events are gone: its whole text, and the end."""
    done = {"state": state, "finish_reason": "", "words": len(text.split()), "length": len(text)}
    whole = frame(seq + 1, "text", orjson.dumps({"text": text}).decode())
    return whole + frame(seq + 2, "done", orjson.dumps(done).decode())


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    # The server may have ended its loop while this thread was reading.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


def _deliver(share: list[tuple[Subscriber, bytes, bool]]) -> None:
    for subscriber, data, ended in share:
        subscriber.give(data, ended=ended)


def _miss(subscriber: Subscriber) -> None:
    subscriber.missing = True
    subscriber.wake()


pump = Pump()
