"""Whether this web process can serve, answered from memory.

`/readyz` must answer when the database does not (a frozen one blocks every query), when no worker runs, and however
often it is asked. So it reads results that are kept in the process: a question that finds them old starts one thread
that looks again and is itself answered from what is there. The required checks are run by the process itself; of the
others it reads the rows that a worker has written. Results that nobody could renew expire and then count as unknown.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from dataclasses import dataclass

from django.db import connections
from django.utils import timezone

from apps.monitoring.models import CheckResult
from apps.monitoring.services.checks import Check, registry, run_checks
from apps.monitoring.services.results import node_name

log = logging.getLogger(__name__)

FRESH_SECONDS = 4.0
FIRST_ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one check.

    Args:
        status: "ok", "warn", "fail" or "unknown".
        checked_at: when it was found out; None when it never was.
        expires: on the clock of `time.monotonic()`.
    """

    key: str
    title: str
    required: bool
    status: str
    message: str = ""
    remedy: str = ""
    checked_at: dt.datetime | None = None
    expires: float = 0.0

    def now(self) -> Entry:
        """The entry as it counts now: an expired one is unknown."""
        if time.monotonic() < self.expires:
            return self
        when = "" if self.checked_at is None else f" The last, from {self.checked_at:%H:%M:%S} UTC, said {self.status}."
        return Entry(
            key=self.key,
            title=self.title,
            required=self.required,
            status="unknown",
            message=f"There is no result that still counts.{when}",
            remedy="Look whether the database answers."
            if self.required
            else "Look whether worker and scheduler run; they make these results.",
            checked_at=self.checked_at,
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer: ready, degraded or not ready, and of which checks it is made."""

    entries: tuple[Entry, ...]

    @property
    def blocking(self) -> tuple[Entry, ...]:
        """Required checks that fail or are unknown."""
        return tuple(e for e in self.entries if e.required and e.status in ("fail", "unknown"))

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return not self.blocking

    @property
    def status(self) -> str:
        """One word."""
        if not self.ready:
            return "not_ready"
        return "ready" if all(e.status == "ok" for e in self.entries) else "degraded"


_lock = threading.Lock()
_entries: dict[str, Entry] = {}
_looked = float("-inf")
_begun = float("-inf")
_looking: threading.Thread | None = None


def current() -> Readiness:
    """What is known now. Waits only where nothing is known, at most `FIRST_ANSWER_SECONDS`."""
    known = registry()
    now = time.monotonic()
    if now - _looked > FRESH_SECONDS:
        # Asked before: a look that is quick has the required checks, and not yet the others, by the next line.
        nothing_known = any(_known(check).status == "unknown" for check in known if check.required)
        thread = _look_again()
        if nothing_known:
            # Counted from the start of the look: when it hangs, only the first questions wait for it.
            thread.join(max(0.0, _begun + FIRST_ANSWER_SECONDS - now))
    return Readiness(tuple(_known(check) for check in known))


def forget() -> None:
    """Wait for a look that is under way and drop all results; for tests and after a fork."""
    global _looked
    if (thread := _looking) is not None:
        thread.join(10)
    with _lock:
        _entries.clear()
        _looked = float("-inf")


def _known(check: Check) -> Entry:
    entry = _entries.get(check.key)
    if entry is None:
        entry = Entry(key=check.key, title=check.title, required=check.required, status="unknown")
    return entry.now()


def _look_again() -> threading.Thread:
    global _begun, _looking
    with _lock:
        if _looking is None or not _looking.is_alive():
            _begun = time.monotonic()
            _looking = threading.Thread(target=_look, name="readiness", daemon=True)
            _looking.start()
        return _looking


def _look() -> None:
    global _looked
    try:
        checks = registry()
        now = time.monotonic()
        # A check with a long interval is not repeated with every probe: its result counts until it is due again.
        due = [c for c in checks if c.required and _due(c, now)]
        for outcome in run_checks(due):
            entry = outcome.check
            _entries[entry.key] = Entry(
                key=entry.key,
                title=entry.title,
                required=True,
                status=outcome.result.status,
                message=outcome.result.message,
                remedy=outcome.result.remedy,
                checked_at=timezone.now(),
                expires=time.monotonic() + entry.lifetime,
            )
        _looked = time.monotonic()
        _read_rows({c.key: c for c in checks if not c.required})
    except Exception:
        log.exception("the state of the portal could not be read")
    finally:
        connections.close_all()


def _due(check: Check, now: float) -> bool:
    entry = _entries.get(check.key)
    if entry is None or entry.status != "ok":
        return True
    return now >= entry.expires - check.lifetime + min(check.interval, 30.0)


def _read_rows(checks: dict[str, Check]) -> None:
    """Take over what workers found; of several machines the worst that still counts, with this one's own first."""
    rank = {"fail": 3, "warn": 2, "ok": 1, "unknown": 0}
    best: dict[str, CheckResult] = {}
    for row in CheckResult.objects.filter(key__in=checks, valid_until__gt=timezone.now()):
        seen = best.get(row.key)
        if (
            row.node == node_name()
            or seen is None
            or (seen.node != node_name() and rank[row.status] > rank[seen.status])
        ):
            best[row.key] = row
    for key, row in best.items():
        left = (row.valid_until - timezone.now()).total_seconds()
        _entries[key] = Entry(
            key=key,
            title=checks[key].title,
            required=False,
            status=row.status,
            message=row.message,
            remedy=row.remedy,
            checked_at=row.checked_at,
            expires=time.monotonic() + left,
        )
