"""Restores to a moment: which base, which segments, and the changes put over it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.utils import timezone

from aiwriter.core.errors import AppError, InvalidInput
from apps.backups.models import BackupSet, Destination, Policy
from apps.backups.repository.errors import Damaged
from apps.backups.repository.repository import Repository
from apps.backups.repository.segments import (
    Line,
    SegmentLost,
    Stored,
    lines,
    listing,
    moment,
    read_line,
    require_unbroken,
    walk,
)
from apps.backups.selectors.destinations import captured_destination, chosen_destination
from apps.backups.services import capture_state
from apps.backups.services.capture_sqlite import records
from apps.backups.services.progress import Progress
from apps.backups.services.repositories import RepositoryProblem, control_of, open_repository, told
from apps.users.selectors.access import Actor, require

_FULL = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Choice:
    """How a moment is reached.

    Args:
        base: the repository's name of the set that it begins with.
        line: of the capture.
        target: the moment in milliseconds.
        segments: what is put over the base, in order.
    """

    base: str
    line: Line
    target: int
    segments: list[Stored]


@dataclass(frozen=True, slots=True)
class Span:
    """Moments that can be reached, in milliseconds: from a base on, as long as the chain holds."""

    line: str
    since: int
    until: int
    bases: int


def as_milliseconds(at: dt.datetime) -> int:
    """Milliseconds since 1970. A time without zone is UTC."""
    aware = at if timezone.is_aware(at) else at.replace(tzinfo=dt.UTC)
    return (aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def base_facts(extra: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a manifest says about the set as a base; None when it is none."""
    found = extra.get("capture") or {}
    return dict(found) if {"line", "first", "last", "from"} <= found.keys() else None


def choose(repository: Repository, at: dt.datetime, *, infos: Iterable[Any] | None = None) -> Choice:
    """The newest base before a moment from which the moment can be reached. Nothing but the repository is asked.

    Args:
        repository: opened with the writer's secret or a key.
        at: the moment.
        infos: the sets to choose from; all of the repository when left out.

    Raises:
        InvalidInput: no base is old enough, or nothing was captured at that moment; with the nearest that can be reached.
        RepositoryProblem: a segment that is needed is lost; it is named.
    """
    target = as_milliseconds(at)
    if target > timezone.now().timestamp() * 1000 + 1000:
        raise InvalidInput("This moment is yet to come.", field="moment", remedy="Name one that is over, in UTC.")
    lost: SegmentLost | None = None
    listed: dict[str, list[Stored]] = {}
    for info in sorted(infos if infos is not None else repository.sets(), key=lambda each: each.created, reverse=True):
        facts = base_facts(info.extra)
        if facts is None or int(facts["from"]) > target:
            continue
        if facts["line"] not in listed:
            with told():
                listed[facts["line"]] = listing(repository, facts["line"])
        found = [each for each in listed[facts["line"]] if each.number >= int(facts["first"])]
        last = next((each.number for each in found if each.until >= target and each.number >= int(facts["last"])), None)
        if last is None:
            continue
        try:
            require_unbroken(found, int(facts["first"]), last)
        except SegmentLost as error:
            lost = lost or error
            continue
        with told():
            line = read_line(repository, facts["line"])
        return Choice(info.id, line, target, [each for each in found if each.number <= last])
    if lost is not None:
        raise RepositoryProblem(lost)
    raise _unreachable(spans(repository, infos=infos), target)


def _unreachable(found: list[Span], target: int) -> InvalidInput:
    before = max((span.until for span in found if span.until < target), default=None)
    after = min((span.since for span in found if span.since > target), default=None)
    near = [f"{moment(before)} is the last one before it"] if before else []
    near += [f"{moment(after)} the first one after it"] if after else []
    text = f"At {moment(target)} no changes were captured, or no base is left from which it could be reached."
    remedy = f"{' and '.join(near)} that can be." if near else "Restore a set as it is; captures begin with a policy."
    return InvalidInput(text, field="moment", remedy=remedy[:1].upper() + remedy[1:])


def spans(repository: Repository, *, infos: Iterable[Any] | None = None) -> list[Span]:
    """All moments that can be reached, oldest first. Only listings are read, no segment."""
    bases: dict[str, list[dict[str, Any]]] = {}
    for info in infos if infos is not None else repository.sets():
        facts = base_facts(info.extra)
        if facts is not None:
            bases.setdefault(facts["line"], []).append(facts)
    found = []
    for line in lines(repository):
        own = sorted(bases.get(line.id, []), key=lambda facts: int(facts["from"]))
        if own:
            found += _spans_of(line.id, own, listing(repository, line.id))
    return sorted(found, key=lambda span: span.since)


def _spans_of(line: str, bases: list[dict[str, Any]], stored: list[Stored]) -> list[Span]:
    """From each base to where the numbers end or are interrupted; what overlaps is one."""
    until = {each.number: each.until for each in stored}
    made: list[Span] = []
    for facts in bases:
        number = int(facts["first"])
        while number in until:
            number += 1
        if number - 1 < int(facts["last"]):
            continue
        since, end = int(facts["from"]), until[number - 1]
        if made and since <= made[-1].until:
            made[-1] = Span(line, made[-1].since, max(made[-1].until, end), made[-1].bases + 1)
        else:
            made.append(Span(line, since, end, 1))
    return made


def put_over(repository: Repository, choice: Choice, path: Path, progress: Progress) -> int:
    """Put the captured changes over a restored SQLite file.

    Returns:
        the moment whose state the file has then, in milliseconds: the target, or the look before it when a change was made in
        the twentieth of a second around the target, or while nobody looked.

    Raises:
        RepositoryProblem: a segment is lost or damaged; it is named, and the file is not to be used.
    """
    page_size = int(choice.line.detail["page_size"])
    reached, size = choice.target, 0
    progress.phase("changes", len(choice.segments))
    with told(), path.open("r+b") as file:
        head = file.read(18)
        found = int.from_bytes(head[16:18], "big") if len(head) == 18 else 0
        if (65536 if found == 1 else found) != page_size:
            raise Damaged(f"The base has pages of {found} bytes, the captured changes have {page_size}.")
        for segment in walk(repository, choice.segments, control_of(progress)):
            for after, at, pages, changed in records(segment.body, page_size):
                if at > choice.target:
                    reached = min(reached, max(after, 0)) if after < choice.target else reached
                    break
                size = pages
                for number, data in changed:
                    file.seek((number - 1) * page_size)
                    file.write(data)
        if size:
            file.truncate(size * page_size)
        file.flush()
        os.fsync(file.fileno())
    return reached


def overview(*, actor: Actor, destination_id: uuid.UUID | str = "") -> dict[str, Any]:
    """Which moments can be brought back, and how the capture does.

    Args:
        actor: needs "backups.read".
        destination_id: which place; the one that is captured to when left out.

    Raises:
        NotFound: there is no place of this id.
    """
    require(actor, "backups.read")
    capture, found = present_capture(), list[Span]()
    place: Destination | None = None
    try:
        place = (
            chosen_destination(actor=actor, named=str(destination_id))
            if destination_id
            else captured_destination(actor=actor)
        )
        repository = open_repository(place)
        with told():
            found = spans(repository)
    except AppError as error:
        if destination_id and place is None:
            raise
        # How the capture does is worth knowing while the place is away, or before there is one.
        capture = replace(capture, state="fail", problem=error.message, remedy=error.remedy)
    return {
        "headline": capture.headline,
        "state": capture.state,
        "lag_seconds": round(capture.lag, 1) if capture.lag is not None else None,
        "problem": capture.problem,
        "remedy": capture.remedy,
        "destination": place.name if place else "",
        "destination_id": str(place.pk) if place else None,
        "spans": [
            {"since": as_time(span.since).isoformat(), "until": as_time(span.until).isoformat(), "bases": span.bases}
            for span in found
        ],
        "gaps": [
            {"since": as_time(gap["from"]).isoformat(), "until": as_time(gap["until"]).isoformat(), "why": gap["why"]}
            for gap in capture.gaps
        ],
    }


def as_time(milliseconds: int) -> dt.datetime:
    """A time of milliseconds."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


@dataclass(frozen=True, slots=True)
class Capture:
    """How the capture does: "off", "ok", "warn" or "fail"."""

    state: str
    headline: str
    lag: float | None = None
    problem: str = ""
    remedy: str = ""
    gaps: list[dict[str, Any]] = field(default_factory=list)


def present_capture() -> Capture:
    """How the capture does, for the health check and the pages. Only rows and local files are read."""
    policy = Policy.objects.filter(enabled=True, pitr=True, destination__enabled=True).first()
    if policy is None:
        return Capture("off", "Changes between backups are not captured: switch that on in a policy.")
    state = capture_state.read_state()
    if state is None or not state.alive:
        since = f" since {moment(state.until)}" if state and state.until else ""
        return Capture(
            "fail",
            "No process captures changes.",
            lag=state.lag if state else None,
            problem=(state.problem if state else "") or f"Nothing was captured{since}.",
            # A process on a full disk cannot even say so.
            remedy="Make space on the disk of the data folder: it is full."
            if shutil.disk_usage(capture_state.capture_folder()).free < _FULL
            else "Does the supervisor run, or `manage.py backup_capture` as a service? Its log is capture.log.",
            gaps=state.gaps if state else [],
        )
    limit = max(60.0, policy.pitr_seconds * 3)
    if state.problem or state.lag > limit:
        text = state.problem or f"The newest change that is not in the repository is {state.lag:.0f} s old."
        return Capture("fail" if state.lag > limit else "warn", text, state.lag, text, state.remedy, state.gaps)
    if not has_base(policy.destination_id, state.line):
        why = state.gaps[-1]["why"] if state.gaps else "it has just begun"
        return Capture(
            "warn",
            f"The capture began anew ({why}), and no backup was made since then.",
            state.lag,
            f"Moments since {moment(state.started)} can be reached only after the next backup.",
            "It starts by itself; or run `manage.py backup`.",
            state.gaps,
        )
    return Capture("ok", f"Every change until {moment(state.shipped_until)} is captured.", state.lag, gaps=state.gaps)


def has_base(destination_id: Any, line: str) -> bool:
    """Whether a set belongs to a line."""
    return BackupSet.objects.filter(destination_id=destination_id, capture__line=line).restorable().exists()


__all__ = [
    "Choice",
    "Span",
    "as_milliseconds",
    "as_time",
    "base_facts",
    "choose",
    "has_base",
    "overview",
    "present_capture",
    "put_over",
    "spans",
]
