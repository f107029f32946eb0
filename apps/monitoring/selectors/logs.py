"""Searching the log of this machine: the newest lines first, and never more than a search may cost."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core import logfiles
from aiwriter.core.errors import InvalidInput
from apps.monitoring.models import LogQuery
from apps.users.selectors.access import Actor, require

DAYS = 7
MAX_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 2.0
MAX_LINES = 500
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Filters that a line has to name exactly.
EXACT = ("request_id", "actor_id", "workspace_id", "trace_id", "part", "route")
FILTERS = ("text", "level", "logger", *EXACT, "since", "until")
_KNOWN = ("time", "level", "logger", "message", "exception", "part", *EXACT)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log."""

    time: str
    level: str
    logger: str
    message: str
    part: str = ""
    request_id: str = ""
    actor_id: str = ""
    workspace_id: str = ""
    trace_id: str = ""
    route: str = ""
    exception: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Args:
        lines: the newest first.
        cursor: where to go on; empty when everything was looked at.
        bytes_read: what it cost.
        complete: False when it stopped because it may not cost more; go on with the cursor.
    """

    lines: list[Line]
    cursor: str
    bytes_read: int
    complete: bool


def search_logs(
    actor: Actor, filters: Mapping[str, str], *, cursor: str = "", limit: int = 100, folder: Path | None = None
) -> Found:
    """Lines that pass all filters, of the last seven days.

    Args:
        actor: needs "monitoring.read".
        filters: some of `FILTERS`.
        cursor: of the search before.
        limit: how many lines.
        folder: of the log; this portal's when left out.

    Raises:
        PermissionDenied, InvalidInput: it cannot be asked so.
    """
    require(actor, "monitoring.read")
    if not 1 <= limit <= MAX_LINES:
        raise InvalidInput(f"1 to {MAX_LINES} lines can be asked for.", field="limit", remedy="Go on with the cursor.")
    question = _Question(filters)
    place = folder or settings.DATA_DIR / "logs"
    start_name, start_at = _read_cursor(cursor)
    deadline, read = time.monotonic() + MAX_SECONDS, 0
    lines: list[Line] = []
    for hour, path in reversed(logfiles.files(place)):
        if hour + dt.timedelta(hours=1) <= question.since:
            break
        if hour > question.until or (start_name and path.name > start_name):
            continue
        end = start_at if path.name == start_name else None
        for at, raw in logfiles.lines_backwards(path, end):
            read += len(raw) + 1
            line = question.answer(raw)
            if line is not None:
                lines.append(line)
            enough = len(lines) >= limit
            if enough or read >= MAX_BYTES or time.monotonic() > deadline:
                return Found(lines, f"{path.name}:{at}", read, complete=enough)
    return Found(lines, "", read, complete=True)


def _read_cursor(cursor: str) -> tuple[str, int]:
    if not cursor:
        return "", 0
    name, _, at = cursor.rpartition(":")
    if logfiles.hour_of(Path(name)) is None or "/" in name or not (at.isascii() and at.isdigit() and len(at) < 16):
        raise InvalidInput("This is no cursor of the log.", field="cursor", remedy="Use the one of the page before.")
    return name, int(at)


class _Question:
    """Filters, ready to be asked of many lines."""

    def __init__(self, filters: Mapping[str, str]) -> None:
        unknown = set(filters) - set(FILTERS)
        if unknown:
            raise InvalidInput(f"There is no filter '{min(unknown)[:20]}'.", field="filters", remedy=", ".join(FILTERS))
        given = {name: str(value).strip()[:200] for name, value in filters.items() if str(value).strip()}
        level = given.get("level", "DEBUG").upper()
        if level not in LEVELS:
            raise InvalidInput(f"'{level[:20]}' is no level.", field="level", remedy=", ".join(LEVELS))
        self._levels = frozenset(LEVELS[LEVELS.index(level) :])
        self._logger = given.get("logger", "")
        self._text = given.get("text", "").casefold()
        self._exact = {name: given[name] for name in EXACT if name in given}
        # A line without these bytes cannot match, and looking for them is twenty times faster than reading it.
        self._needles = [orjson.dumps(value)[1:-1] for value in self._exact.values()]
        now = timezone.now()
        earliest = now - dt.timedelta(days=DAYS)
        self.since = max(_moment(given.get("since", ""), "since") or earliest, earliest)
        self.until = _moment(given.get("until", ""), "until") or now + dt.timedelta(minutes=1)
        if self.since > self.until:
            raise InvalidInput("It ends before it begins.", field="until", remedy="Choose a later end.")
        self._bounds = (_text(self.since), _text(self.until))

    def answer(self, raw: bytes) -> Line | None:
        """The line, if it passes."""
        if not all(needle in raw for needle in self._needles):
            return None
        try:
            row = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(row, dict) or row.get("level") not in self._levels:
            return None
        if not self._bounds[0] <= row.get("time", "") <= self._bounds[1]:
            return None
        if self._logger and not str(row.get("logger", "")).startswith(self._logger):
            return None
        if any(row.get(name) != value for name, value in self._exact.items()):
            return None
        if self._text and self._text not in f"{row.get('message', '')}\n{row.get('exception', '')}".casefold():
            return None
        known = {name: str(row[name]) for name in _KNOWN if name in row}
        return Line(**known, facts={name: value for name, value in row.items() if name not in _KNOWN})


def _moment(text: str, field_name: str) -> dt.datetime | None:
    if not text:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"'{text[:40]}' is no moment.", field=field_name, remedy="Write it as 2026-11-26T14:03 (UTC)."
        ) from None


def _text(moment: dt.datetime) -> str:
    """As the log writes it, so that texts can be compared."""
    return moment.isoformat(timespec="milliseconds")


def log_queries(actor: Actor) -> QuerySet[LogQuery]:
    """The questions that were kept."""
    require(actor, "monitoring.read")
    return LogQuery.objects.all()
