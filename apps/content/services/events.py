"""Writes the events of all generations of this process, in one thread and one transaction each time.

A commit for each generation costs 25 µs a token at 200 generations, one for all of them 6 µs. The first piece of text
after a pause is written at once; what comes within the next 60 ms goes together. The rows that hold the generations are
locked while events are added, so that nothing is added once another worker has claimed a generation: it would have to
wait for the lock, and reads the text after it.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from django.db import DatabaseError, OperationalError, close_old_connections, connection, transaction
from django.utils import timezone

from apps.content.models import Generation, GenerationEvent, NewEvent
from apps.content.selectors.generations import last_seq_of

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)
RENEW_EVERY = 5.0
WATCH_EVERY = 0.4
GATHER = 0.06
# After a round without text: the first words usually follow the news that the model was asked.
SHORT_GATHER = 0.01
CHANNEL = "aiwriter_events"
_PAYLOAD_IDS = 200  # PostgreSQL takes 8,000 bytes a notification; an id has 32.


class Lost(Exception):
    """Another worker has claimed the generation."""


@dataclass(eq=False)
class Batch:
    """What goes into the database together, and who waits for it."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    apply: Callable[[], None] | None = None
    waiters: list[Future[None]] = field(default_factory=list)
    last: bool = False

    def __bool__(self) -> bool:
        return bool(self.events or self.waiters)

    @property
    def length(self) -> int:
        """Characters of text."""
        return sum(len(piece) for kind, data in self.events if kind == "delta" for piece in data)


@dataclass(eq=False)
class Held:
    """A generation that this process works on, made by `EventWriter.hold`.

    Args:
        generation_id: the row.
        fence: the number of our claim.
        seq: number of the last event in the database.
        length: characters of text in the database.
        on_stop: called once, in the writer's thread, when somebody asked to stop.
        on_lost: called once, in the writer's thread, when the claim is lost.

    `waiting` is still added to; `writing` was taken by the thread and stays until the database has it.
    """

    generation_id: uuid.UUID
    fence: int
    seq: int
    length: int
    on_stop: Callable[[], None]
    on_lost: Callable[[], None]
    waiting: Batch = field(default_factory=Batch)
    writing: Batch = field(default_factory=Batch)
    doubtful: bool = False
    grown: bool = False
    stop_told: bool = False
    lost: bool = False


class EventWriter:
    """See the module. One for each process: `writer`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._held: dict[uuid.UUID, Held] = {}
        self._thread: threading.Thread | None = None
        self._renewed = self._watched = 0.0

    # ------------------------------------------------------------ for the workers' coroutines
    def hold(
        self,
        *,
        generation_id: uuid.UUID,
        fence: int,
        seq: int,
        length: int,
        on_stop: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> Held:
        """Begin to keep a claim alive and to take its events. The arguments are those of `Held`."""
        held = Held(generation_id, fence, seq, length, on_stop, on_lost)
        with self._lock:
            self._held[generation_id] = held
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event-writer", daemon=True)
                self._thread.start()
        self._wake.set()
        return held

    def text(self, held: Held, piece: str) -> None:
        """Add a piece of text; pieces that wait together are written as one event."""
        with self._lock:
            events = held.waiting.events
            if events and events[-1][0] == "delta":
                events[-1][1].append(piece)
            else:
                events.append(("delta", [piece]))
        self._wake.set()

    def event(self, held: Held, kind: str, data: dict[str, Any]) -> None:
        """Add an event."""
        with self._lock:
            held.waiting.events.append((kind, data))
        self._wake.set()

    def commit(self, held: Held, apply: Callable[[], None] | None = None, *, last: bool = False) -> Future[None]:
        """Ask to be told when all events so far are in the database.

        Args:
            held: the generation.
            apply: more writes for the same transaction. It runs in the writer's thread while the row is locked and the
                claim is known to be ours, and again when the transaction has to be repeated.
            last: nothing comes after it; the claim is kept alive no longer.

        Returns:
            done after the commit; `Lost` when the claim is gone.
        """
        done: Future[None] = Future()
        with self._lock:
            if held.lost or self._held.get(held.generation_id) is not held:
                done.set_exception(Lost())
                return done
            held.waiting.waiters.append(done)
            held.waiting.apply = apply or held.waiting.apply
            held.waiting.last = last
        self._wake.set()
        return done

    def release(self, held: Held) -> None:
        """Stop keeping the claim alive; events that were not committed are dropped."""
        with self._lock:
            if self._held.get(held.generation_id) is held:
                del self._held[held.generation_id]
        self._wake.set()

    # ------------------------------------------------------------ the thread
    def _run(self) -> None:
        pause = GATHER
        while True:
            self._wake.wait(WATCH_EVERY)
            self._wake.clear()
            with self._lock:
                if not self._held:
                    self._thread = None
                    break
            try:
                pause = GATHER if self._round() else SHORT_GATHER
            except Exception:
                # The database is away or busy. Nothing is lost: what waits stays until it is written, or until another
                # worker has taken over after the lease ran out.
                logger.warning("Events could not be written; trying again", exc_info=True)
                connection.close()
                pause = min(2.0, max(pause, GATHER) * 2)
            time.sleep(pause)
        connection.close()

    def _round(self) -> bool:
        """Write what waits. Returns whether text was among it."""
        close_old_connections()
        now = time.monotonic()
        renew = now - self._renewed >= RENEW_EVERY
        watch = renew or now - self._watched >= WATCH_EVERY
        with self._lock:
            everybody = list(self._held.values())
            for held in everybody:
                # What a failed attempt has left goes first and alone: whether it came through is asked by its length.
                if not held.writing:
                    held.writing, held.waiting = held.waiting, Batch()
        batch = [held for held in everybody if held.writing]
        text = any(held.writing.length for held in batch)
        if not batch and not renew:
            if watch:
                self._watched = now
                self._tell(everybody, self._rows(everybody, lock=False))
            return text
        try:
            self._write(everybody if watch else batch, renew=renew)
        except OperationalError:
            for held in batch:
                held.doubtful = True
            raise
        except DatabaseError:
            self._one_by_one(batch)
        if watch:
            self._watched = now
        if renew:
            self._renewed = now
        return text

    def _one_by_one(self, batch: list[Held]) -> None:
        """After a refused batch: the one that the database cannot take must not hold up the others."""
        for held in batch:
            try:
                self._write([held], renew=False)
            except OperationalError:
                raise
            except DatabaseError:
                logger.exception("The events of generation %s cannot be written", held.generation_id)
                self._give_up([held])

    def _write(self, looked_at: list[Held], *, renew: bool) -> None:
        """One transaction for all of them, then word to those who wait."""
        progress: dict[Held, tuple[int, int]] = {}
        with transaction.atomic():
            rows = self._rows(looked_at, lock=True)
            mine = [held for held in looked_at if self._is_mine(held, rows)]
            events: list[NewEvent] = []
            for held in mine:
                batch, seq = held.writing, held.seq
                progress[held] = (seq + len(batch.events), held.length + batch.length)
                if held.doubtful and batch.events and last_seq_of(held.generation_id) >= progress[held][0]:
                    continue
                for kind, data in batch.events:
                    seq += 1
                    events.append(NewEvent(held.generation_id, seq, kind, _json(kind, data)))
                if batch.apply:
                    batch.apply()
            if events:
                GenerationEvent.objects.append(events)
                announce({event.generation_id for event in events})
            if renew:
                self._renew(progress)
        done: list[Future[None]] = []
        with self._lock:
            for held, (seq, length) in progress.items():
                held.grown = held.grown or length > held.length
                held.seq, held.length, held.doubtful = seq, length, False
                done += held.writing.waiters
                if held.writing.last:
                    self._held.pop(held.generation_id, None)
                held.writing = Batch()
        for future in done:
            _answer(future)
        self._tell(looked_at, rows)

    @staticmethod
    def _rows(looked_at: Iterable[Held], *, lock: bool) -> dict[uuid.UUID, tuple[int, bool]]:
        """(fence, stop asked for) of the generations that are still held by anybody."""
        found = Generation.objects.filter(
            pk__in=[held.generation_id for held in looked_at], state__in=Generation.HELD_STATES
        )
        if lock:
            # In the order of their ids: two workers that lock several rows each must do so in one order.
            found = found.order_by("pk").select_for_update()
        return {
            pk: (fence, stop is not None) for pk, fence, stop in found.values_list("pk", "fence", "stop_requested_at")
        }

    @staticmethod
    def _is_mine(held: Held, rows: dict[uuid.UUID, tuple[int, bool]]) -> bool:
        return held.generation_id in rows and rows[held.generation_id][0] == held.fence

    @staticmethod
    def _renew(progress: dict[Held, tuple[int, int]]) -> None:
        until = timezone.now() + LEASE
        for held, (seq, length) in progress.items():
            fields: dict[str, Any] = {"lease_until": until, "last_seq": seq, "partial_length": length}
            if held.grown or length > held.length:
                fields["stalls"] = 0
            Generation.objects.held(held.generation_id, fence=held.fence).update(**fields)

    def _tell(self, looked_at: list[Held], rows: dict[uuid.UUID, tuple[int, bool]]) -> None:
        """Tell who was asked to stop and who has lost the claim."""
        self._give_up(held for held in looked_at if not self._is_mine(held, rows))
        for held in looked_at:
            if not held.lost and rows[held.generation_id][1] and not held.stop_told:
                held.stop_told = True
                held.on_stop()

    def _give_up(self, lost: Iterable[Held]) -> None:
        for held in lost:
            with self._lock:
                if held.lost or self._held.get(held.generation_id) is not held:
                    # It has ended meanwhile: its last commit made the row final, which is no loss.
                    continue
                held.lost = True
                del self._held[held.generation_id]
                futures = held.writing.waiters + held.waiting.waiters
            for future in futures:
                _answer(future, Lost())
            held.on_lost()


writer = EventWriter()


def announce(generation_ids: Iterable[uuid.UUID]) -> None:
    """Wake the web processes, on a database that can; the message is delivered with the commit."""
    if connection.vendor != "postgresql":
        return
    ids = [generation_id.hex for generation_id in generation_ids]
    with connection.cursor() as cursor:
        for start in range(0, len(ids), _PAYLOAD_IDS):
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, " ".join(ids[start : start + _PAYLOAD_IDS])])


def append(generation_id: uuid.UUID, events: Iterable[tuple[str, dict[str, Any]]], *, seq: int | None = None) -> None:
    """Add events to a generation that nobody works on. Inside the transaction that made sure of that.

    Args:
        generation_id: whose.
        events: (type, data).
        seq: number of the last event, when it is known.
    """
    seq = last_seq_of(generation_id) if seq is None else seq
    rows = [
        NewEvent(generation_id, number, kind, orjson.dumps(data).decode())
        for number, (kind, data) in enumerate(events, start=seq + 1)
    ]
    GenerationEvent.objects.append(rows)
    announce([generation_id])


def _answer(future: Future[None], error: Exception | None = None) -> None:
    """Tell one that waits, unless it was cancelled and waits no longer."""
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _json(kind: str, data: Any) -> str:
    return orjson.dumps({"text": "".join(data)} if kind == "delta" else data).decode()
