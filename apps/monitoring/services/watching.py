"""The watch: a process that does nothing but look, keep what it saw, and tell.

Its loop touches neither the database nor the network. Each check runs in a thread with a hard deadline; what it found
goes into a small file at once (`aiwriter.core.healthstate`, which healthd answers from) and into the database by chores,
each of which has a thread of its own. So a frozen database stops the chores and nothing else, and is itself what the
file then says.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import connections
from django.utils import timezone

from aiwriter.core import healthstate
from apps.monitoring.models import RECENT, CheckResult
from apps.monitoring.services.checks import Attempt, Check, Hands, Outcome, Result, learn, registry
from apps.monitoring.services.measuring import Figure
from apps.monitoring.services.quarantine import note_quarantine
from apps.monitoring.services.results import add_up, node_name, store

log = logging.getLogger(__name__)
T = TypeVar("T")

OVERRUNS_ALLOWED = 3
QUARANTINE_SECONDS = 900.0
# Unchanged results reach the database this often; a changed one does so within a second.
STORE_SECONDS = 15.0
# Nearly everything asks the database, and who lives shows it there. So when it answers again the others are asked anew, and
# for so long what they still hold against somebody counts as not known: parts need their own time to be back.
DATABASE = "database"
SETTLE_SECONDS, _ASK_AGAIN_SECONDS = 30.0, 3.0
_TICK = 0.25
_FIRST_SPREAD = 10.0


@dataclass(slots=True)
class Turn:
    """What the watch remembers of one check."""

    check: Check
    due: float
    attempt: Attempt | None = None
    overruns: int = 0
    held_until: float = 0.0
    status: str = ""
    since: float = 0.0
    counted_at: float = 0.0
    outcome: Outcome | None = None
    # First letters: of all statuses that are not in the database yet, and of the last one that is.
    letters: str = ""
    stored: str = ""
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def changed(self) -> bool:
        """Whether it took on another status than the database knows, be it for one look."""
        return bool(set(self.letters) - {self.stored})


class Watch:
    """Runs the checks of this machine until it is told to stop.

    Args:
        state_file: where healthd reads; the data folder's when left out.
        checks: the registry's when left out.
    """

    def __init__(self, *, state_file: Path | None = None, checks: Iterable[Check] | None = None) -> None:
        self._file = state_file or healthstate.path_in(settings.DATA_DIR)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        now = time.monotonic()
        self._lock = threading.Lock()
        self._hands = Hands()
        # The required ones at once; the others spread, so that a start does not run thirty of them in one second.
        self.turns = {
            each.key: Turn(each, now if each.required else now + random.uniform(0, _FIRST_SPREAD))  # noqa: S311
            for each in (registry() if checks is None else checks)
        }
        self._begun: set[str] = set()
        self._stored = float("-inf")
        self._answers_since = float("-inf")
        # When the database last took everything, on the clock of `time.monotonic()`.
        self.kept_at = float("-inf")
        self._announced: list[tuple[str, str, dt.datetime | None]] = []
        self.notices: tuple[tuple[float, str, str], ...] = ()

    def learn(self) -> None:
        """Take over checks that were set up, changed or taken out meanwhile. May hang; call it in a thread."""
        self.adopt(learn())

    def adopt(self, checks: Iterable[Check]) -> None:
        """Look at these from now on; what is known of those that stay is kept.

        Args:
            checks: all that there are.
        """
        with self._lock:
            turns = {}
            for check in checks:
                turn = self.turns.get(check.key)
                if turn is None:
                    turn = Turn(check, time.monotonic())
                elif turn.attempt is None:
                    turn.check = check
                turns[check.key] = turn
            # Another dictionary instead of a changed one: the loop may be walking through the old one.
            self.turns = turns

    # ------------------------------------------------------------ the loop
    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set."""
        written = 0.0
        while not stop.wait(_TICK):
            changed = self.look()
            if changed or time.monotonic() - written >= 1.0:
                written = time.monotonic()
                try:
                    self.write_state()
                except OSError as error:
                    # A full disk must not end the one who would tell of it.
                    log.warning("the state of the checks cannot be written: %s", error.strerror)

    def look(self) -> bool:
        """Start what is due, take over what has ended. Returns whether a status changed."""
        changed = False
        now = time.monotonic()
        for turn in self.turns.values():
            if turn.attempt is not None:
                outcome = turn.attempt.poll()
                if outcome is not None:
                    turn.attempt = None
                    # Jitter: checks of one interval must not run in step for ever.
                    turn.due = now + turn.check.interval * random.uniform(0.9, 1.1)  # noqa: S311
                    changed |= self._take(turn, outcome)
            elif now >= turn.due and now >= turn.held_until:
                turn.attempt = Attempt(turn.check)
                turn.attempt.start(self._hands)
        return changed

    def _take(self, turn: Turn, outcome: Outcome) -> bool:
        with self._lock:
            outcome = self._doubted(turn, self._judge_overrun(turn, outcome))
            back = turn.check.key == DATABASE and turn.status == "fail" and outcome.result.status != "fail"
            failed_since = turn.since
            changed = self._note(turn, outcome)
            if back:
                self._ask_all_again(failed_since - turn.check.interval - turn.check.deadline)
            return changed

    def _note(self, turn: Turn, outcome: Outcome) -> bool:
        now = time.time()
        status = outcome.result.status
        if turn.counted_at:
            # What it said counts up to now, but never for longer than it was valid.
            turn.seconds[turn.status] += min(now - turn.counted_at, turn.check.lifetime)
        changed = status != turn.status
        if changed:
            turn.status, turn.since = status, now
        turn.counted_at, turn.outcome = now, outcome
        turn.letters = (turn.letters + status[0])[-RECENT:]
        if status in ("ok", "warn"):
            self._begun.add(turn.check.key)
        return changed

    def _ask_all_again(self, since: float) -> None:
        """The database answers again: what was found while it did not says nothing about anything else.

        Args:
            since: from when on it may have been the database's fault.
        """
        self._answers_since = now = time.monotonic()
        for turn in self.turns.values():
            if turn.outcome is None or turn.check.key == DATABASE or turn.status not in ("warn", "fail"):
                continue
            if turn.counted_at >= since:
                turn.due = now
                self._note(turn, _not_known(turn.outcome))

    def _doubted(self, turn: Turn, outcome: Outcome) -> Outcome:
        """What a check holds against somebody right after the database was away; see `SETTLE_SECONDS`."""
        if self._settled() or turn.check.key == DATABASE or outcome.result.status not in ("warn", "fail"):
            return outcome
        turn.due = time.monotonic() + _ASK_AGAIN_SECONDS
        return _not_known(outcome)

    def _settled(self) -> bool:
        return time.monotonic() - self._answers_since >= SETTLE_SECONDS

    def _judge_overrun(self, turn: Turn, outcome: Outcome) -> Outcome:
        """Count missed deadlines; the third in a row holds the check back for a while.

        Not while a required check fails, or did until just now: when the database is frozen everything overruns, and the
        fault is not theirs.
        """
        if not outcome.overran:
            turn.overruns = 0
            return outcome
        if turn.check.required or self._something_required_fails() or not self._settled():
            return outcome
        turn.overruns += 1
        if turn.overruns < OVERRUNS_ALLOWED:
            return outcome
        turn.held_until = time.monotonic() + QUARANTINE_SECONDS
        until = timezone.now() + dt.timedelta(seconds=QUARANTINE_SECONDS)
        self._announced.append((turn.check.key, outcome.result.message, until))
        result = Result(
            status="unknown",
            message=f"It missed its deadline {turn.overruns} times in a row and is not run until {until:%H:%M} UTC.",
            remedy="Look at the part that it asks, then release it on its page in the console.",
        )
        turn.overruns = OVERRUNS_ALLOWED - 1  # one more miss after the quarantine, and it is held back again
        return Outcome(check=turn.check, result=result, latency_ms=outcome.latency_ms, overran=True)

    def _something_required_fails(self) -> bool:
        return any(t.check.required and t.status == "fail" for t in self.turns.values())

    # ------------------------------------------------------------ for healthd
    def write_state(self) -> None:
        """Write the file that healthd answers from."""
        with self._lock:
            state = healthstate.State(
                node=node_name(),
                version=settings.VERSION,
                written_at=time.time(),
                begun=tuple(sorted(self._begun)),
                checks={key: self._seen(turn) for key, turn in self.turns.items()},
                notices=self.notices,
            )
        healthstate.write(self._file, state)

    def _seen(self, turn: Turn) -> healthstate.Seen:
        title, required = str(turn.check.title), turn.check.required
        if turn.outcome is None:
            return healthstate.Seen(title=title, required=required, status="unknown")
        held = max(turn.held_until - time.monotonic(), 0.0)
        return healthstate.Seen(
            title=title,
            required=required,
            status=turn.status,
            message=turn.outcome.result.message,
            remedy=turn.outcome.result.remedy,
            latency_ms=turn.outcome.latency_ms,
            checked_at=turn.counted_at,
            valid_until=turn.counted_at + turn.check.lifetime + held,
            since=turn.since,
            data={name: float(value) for name, value in turn.outcome.result.data.items()},
        )

    # ------------------------------------------------------------ for the database
    def keep(self) -> None:
        """Write what is new into the database, and take over what operators asked for. May hang; call it in a thread."""
        now = time.monotonic()
        with self._lock:
            fresh = [turn for turn in self.turns.values() if turn.letters]
            if not any(turn.changed for turn in fresh) and now - self._stored < STORE_SECONDS:
                fresh = []
            outcomes = [turn.outcome for turn in fresh if turn.outcome is not None]
            held = {turn.check.key: (turn.overruns, self._moment(turn.held_until)) for turn in fresh}
            letters = {turn.check.key: turn.letters for turn in fresh}
            for turn in fresh:
                turn.letters = ""
            announced = list(self._announced)
        if outcomes:
            self._store(outcomes, letters, held)
            self._stored = now
        for key, message, until in announced:
            note_quarantine(key, message=message, until=until)
            with self._lock:
                self._announced.remove((key, message, until))
        self._obey()
        self.kept_at = time.monotonic()

    def _store(
        self,
        outcomes: list[Outcome],
        letters: dict[str, str],
        held: dict[str, tuple[int, dt.datetime | None]],
    ) -> None:
        try:
            store(outcomes, letters=letters, held=held)
        except Exception:
            # Not lost: what was found meanwhile comes behind it.
            with self._lock:
                for turn, taken in self._still(letters):
                    turn.letters = (taken + turn.letters)[-RECENT:]
            raise
        with self._lock:
            for turn, taken in self._still(letters):
                turn.stored = taken[-1]

    def _still(self, values: Mapping[str, T]) -> Iterator[tuple[Turn, T]]:
        """By turn instead of by key; without those that were taken out meanwhile."""
        return ((self.turns[key], value) for key, value in values.items() if key in self.turns)

    def _obey(self) -> None:
        """Release what was released, run what was asked for."""
        asked = CheckResult.objects.filter(node=node_name(), run_requested_at__isnull=False)
        for row in asked:
            turn = self.turns.get(row.key)
            if turn is not None and turn.attempt is None:
                turn.held_until, turn.overruns, turn.due = 0.0, 0, time.monotonic()
            CheckResult.objects.filter(pk=row.pk, run_requested_at=row.run_requested_at).update(run_requested_at=None)

    def figures(self) -> list[Figure]:
        """What the checks measured, for the figures of this minute."""
        with self._lock:
            outcomes = [(t.check.key, t.outcome) for t in self.turns.values() if t.outcome is not None]
        found = [Figure("check_seconds", key, outcome.latency_ms / 1000) for key, outcome in outcomes]
        for key, outcome in outcomes:
            found += [Figure("check_figure", f"{key} {name}", float(v)) for name, v in outcome.result.data.items()]
        return found

    def count_time(self) -> None:
        """Add the time in each status to the day; call it once a minute."""
        with self._lock:
            seconds = {t.check.key: dict(t.seconds) for t in self.turns.values() if t.seconds}
            for turn in self.turns.values():
                turn.seconds.clear()
        try:
            add_up(seconds)
        except Exception:
            # The database is away: just these seconds must not be missing in the day.
            with self._lock:
                for turn, by_status in self._still(seconds):
                    for status, length in by_status.items():
                        turn.seconds[status] += length
            raise

    @staticmethod
    def _moment(monotonic: float) -> dt.datetime | None:
        left = monotonic - time.monotonic()
        return timezone.now() + dt.timedelta(seconds=left) if left > 0 else None


def _not_known(outcome: Outcome) -> Outcome:
    said = outcome.result.message
    result = Result(
        status="unknown",
        message=f"The database answers again, and this is being asked anew. It said: {said}"[:1000],
        remedy=outcome.result.remedy,
    )
    return replace(outcome, result=result)


class Chore(threading.Thread):
    """Something that the watch does again and again beside looking, in a thread of its own.

    Args:
        name: for the log.
        every: seconds between two ends and beginnings.
        work: what; an error is logged and it is tried again.
        stop: ends it.
        aligned: begin at whole multiples of `every` on the clock, a second after.
    """

    def __init__(
        self, name: str, every: float, work: Callable[[], object], stop: threading.Event, *, aligned: bool = False
    ) -> None:
        super().__init__(name=f"watch-{name}", daemon=True)
        self._aligned = aligned
        self._every = every
        self._work = work
        self._ending = stop
        self._failing = False

    def run(self) -> None:
        """Work until told to stop."""
        while True:
            try:
                self._work()
                self._failing = False
            except Exception:  # noqa: BLE001 - the next turn may succeed
                # Once in full: while the database is away this would otherwise fill the log.
                (log.debug if self._failing else log.exception)("%s failed", self.name)
                self._failing = True
                connections.close_all()
            if self._ending.wait(self._every - (time.time() - 1.0) % self._every if self._aligned else self._every):
                return
