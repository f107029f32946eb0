"""Health checks: what one is, which there are, and how one is run without ever waiting longer than its deadline."""

from __future__ import annotations

import datetime as dt
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core.redact import redact
from aiwriter.core.threads import keep_or_close

log = logging.getLogger(__name__)

Severity = Literal["required", "degrades"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a check found.

    Args:
        status: "ok", "warn", "fail" or "unknown".
        message: one sentence for an operator.
        remedy: what to do; empty when there is nothing to do.
        data: figures worth plotting, by name with the unit in it ("free_bytes").
    """

    status: Literal["ok", "warn", "fail", "unknown"]
    message: str = ""
    remedy: str = ""
    data: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A registered check.

    Args:
        key: stable name, "database".
        run: finds out; may raise, which counts as failing.
        interval: seconds between two runs.
        deadline: seconds after which it is given up.
        severity: a failing "required" check makes the portal not ready, a failing "degrades" one only shows.
        title: what an operator reads.
        runbook: page below docs/ with a section for the check's key, which says what to do.
        only: the database that it is about, "postgresql" or "sqlite"; empty for both.
    """

    key: str
    run: Callable[[], Result] = field(repr=False)
    interval: float
    deadline: float
    severity: Severity
    title: str
    runbook: str
    only: str = ""

    @property
    def lifetime(self) -> float:
        """Seconds for which a result may be believed: two runs may be late before it expires.

        Never less than 45: without a watch of its own a worker runs the checks, every 15 seconds.
        """
        return max(self.interval * 3 + self.deadline, 45.0)

    @property
    def required(self) -> bool:
        """Whether the portal cannot serve without it."""
        return self.severity == "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A check's result with the time it took, in milliseconds, and when it was found."""

    check: Check
    result: Result
    latency_ms: int
    overran: bool = False
    at: dt.datetime = field(default_factory=timezone.now)


def check(
    key: str,
    *,
    title: str,
    interval: float = 60.0,
    deadline: float = 5.0,
    severity: Severity = "degrades",
    runbook: str = "operators/checks",
    only: str = "",
) -> Callable[[Callable[[], Result]], Check]:
    """Make a check of a function without arguments; its dotted path then belongs into `HEALTH_CHECKS`.

    Args:
        key: stable name, unique among all checks.
        title: what an operator reads.
        interval: seconds between two runs.
        deadline: seconds after which it is given up.
        severity: "required" when the portal cannot serve without it.
        runbook: page below docs/, without ".md", with a section for the check's key.
        only: the database that it is about; on another one the check does not exist.
    """

    def wrap(function: Callable[[], Result]) -> Check:
        return Check(
            key=key,
            run=function,
            interval=interval,
            deadline=deadline,
            severity=severity,
            title=title,
            runbook=runbook,
            only=only,
        )

    return wrap


_added: tuple[Check, ...] | None = None


def registry() -> tuple[Check, ...]:
    """The checks of `HEALTH_CHECKS`, in order, then those that `learn` found last. Asks nobody, so it never waits.

    One that cannot be imported is there as a failing check of its name.
    """
    found: dict[str, Check] = {}
    for path in settings.HEALTH_CHECKS:
        entry = _load(path)
        if entry.only in ("", connection.vendor):
            found.setdefault(entry.key, entry)
    for entry in _added or ():
        # None of them takes the place of ours, and none makes the portal unready.
        found.setdefault(entry.key, replace(entry, severity="degrades"))
    return tuple(found.values())


def learn() -> tuple[Check, ...]:
    """Ask `CHECK_SOURCES`, which read the database, for the checks that were set up; gives the whole registry.

    A source that fails leaves everything as it was: a check must not vanish because nobody could be asked.
    """
    global _added
    try:
        found = [entry for path in settings.CHECK_SOURCES for entry in import_string(path)()]
    except Exception:
        log.exception("the checks that were set up cannot be read")
    else:
        _added = tuple(found)
    return registry()


def learnt() -> bool:
    """Whether the checks that were set up are known to this process."""
    return _added is not None


def _load(path: str) -> Check:
    try:
        entry = import_string(path)
        if isinstance(entry, Check):
            return entry
        problem = f"{path} is {type(entry).__name__}, not a check; decorate it with @check."
    except Exception as error:  # noqa: BLE001 - a broken check must not hide the others
        problem = f"{path} cannot be imported: {redact(str(error))[:300]}"
    result = Result(status="fail", message=problem, remedy="Correct HEALTH_CHECKS, or the module that it names.")
    key = path.rpartition(".")[2][:60]
    return Check(
        key=key,
        run=lambda: result,
        interval=60,
        deadline=1,
        severity="degrades",
        title=path,
        runbook="operators/checks",
    )


_hanging: dict[str, Attempt] = {}
_hanging_lock = threading.Lock()


def run_checks(checks: Iterable[Check]) -> list[Outcome]:
    """Run checks side by side, each in a thread of its own and none longer than its deadline.

    A check that does not come back is left behind and not started again while it hangs: a frozen database would
    otherwise collect a thread and a connection with every round.
    """
    attempts = [Attempt(entry) for entry in checks]
    for attempt in attempts:
        attempt.start()
    return [attempt.outcome() for attempt in attempts]


class Attempt:
    """One run of one check."""

    def __init__(self, entry: Check) -> None:
        self.check = entry
        self._result: Result | None = None
        self._took = 0.0
        self._begun = time.monotonic()
        self._started = False
        self._ended = threading.Event()

    def start(self, hands: Hands | None = None) -> None:
        """Begin, unless the run before still hangs.

        Args:
            hands: who works; a thread for this run alone when left out.
        """
        with _hanging_lock:
            before = _hanging.get(self.check.key)
            if before is not None and not before._ended.is_set():
                return
            _hanging.pop(self.check.key, None)
            self._started = True
            self._begun = time.monotonic()
            if hands is not None:
                hands.give(self)
            else:
                threading.Thread(target=self._alone, name=f"check-{self.check.key}", daemon=True).start()

    def outcome(self) -> Outcome:
        """Wait, at most until the deadline."""
        if self._started:
            self._ended.wait(max(0.0, self._begun + self.check.deadline - time.monotonic()))
        return self.poll(final=True)  # type: ignore[return-value]

    def poll(self, *, final: bool = False) -> Outcome | None:
        """What it found, or that it was given up; None while it may still answer.

        Args:
            final: give it up now when it has not answered.
        """
        if not self._started:
            return self._given_up("It still hangs since an earlier run and was not started again.")
        if self._result is not None:
            return Outcome(check=self.check, result=self._result, latency_ms=round(self._took * 1000))
        if not final and time.monotonic() < self._begun + self.check.deadline:
            return None
        with _hanging_lock:
            _hanging[self.check.key] = self
        return self._given_up(f"It did not end within {self.check.deadline:g} seconds.")

    def _given_up(self, message: str) -> Outcome:
        result = Result(status="fail", message=message, remedy="Look at the part that it asks; it does not answer.")
        return Outcome(check=self.check, result=result, latency_ms=round(self.check.deadline * 1000), overran=True)

    def _alone(self) -> None:
        self.work(connections.close_all)

    def work(self, afterwards: Callable[[], None]) -> None:
        """Run the check in this thread.

        Args:
            afterwards: what happens to the thread's database connections, before anybody is told of the result.
        """
        try:
            try:
                result = self.check.run()
                if not isinstance(result, Result):
                    result = Result(
                        status="fail", message=f"The check gave {type(result).__name__} instead of a Result."
                    )
            except Exception as error:
                log.warning("health check %s raised %s", self.check.key, type(error).__name__, exc_info=True)
                result = Result(status="fail", message=f"{type(error).__name__}: {redact(str(error))[:500]}")
                connections.close_all()
            finally:
                afterwards()
            self._took = time.monotonic() - self._begun
            self._result = result
        finally:
            self._ended.set()


class Hands:
    """Threads that run one check after the other, with the database connections that they have.

    Seventy times a minute the watch looks at something. A file of SQLite that is opened for that has its whole schema read
    anew, which took longer than most looks.

    Args:
        kept: how many may wait for work; more are there only while more checks run at once.
    """

    def __init__(self, kept: int = 4) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._waiting: list[Hand] = []

    def give(self, attempt: Attempt) -> None:
        """Have it run at once: by one that waits, or by a new one."""
        with self._lock:
            hand = self._waiting.pop() if self._waiting else None
        if hand is None:
            hand = Hand(self)
            hand.start()
        hand.next.put(attempt)

    def wait(self, hand: Hand) -> bool:
        """Note that one has nothing to do; False when there are enough of them."""
        with self._lock:
            if len(self._waiting) >= self._kept:
                return False
            self._waiting.append(hand)
            return True


class Hand(threading.Thread):
    """One of them.

    Args:
        hands: whose.
    """

    def __init__(self, hands: Hands) -> None:
        super().__init__(daemon=True)
        self.hands = hands
        self.next: queue.SimpleQueue[Attempt] = queue.SimpleQueue()

    def run(self) -> None:
        """Work until there are enough others. One that hangs comes back when it can."""
        try:
            wanted = True
            while wanted:
                attempt = self.next.get()
                self.name = f"check-{attempt.check.key}"
                attempt.work(keep_or_close)
                wanted = self.hands.wait(self)
        finally:
            connections.close_all()
