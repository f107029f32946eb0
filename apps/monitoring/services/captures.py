"""Debug captures: asked for by an operator, agreed to by the person or a second operator, destroyed on time, all recorded."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from aiwriter.core import captures
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from apps.monitoring.models import DebugCapture
from apps.monitoring.services.results import node_name
from apps.users.models import User
from apps.users.selectors.access import Actor, can, require
from apps.users.services.audit import record
from apps.users.services.notifications import notify, tell_operators

WATCH = Actor.system_actor("watch")
# What was captured is there to be read for a day, and an hour is enough to agree.
KEPT = dt.timedelta(hours=24)
WAITS = dt.timedelta(hours=1)
MOST_MINUTES = 15
_REQUEST = re.compile(r"[A-Za-z0-9_-]{8,64}")


def ask_capture(
    *, actor: Actor, reason: str, minutes: int = 10, user_id: uuid.UUID | str | None = None, request_id: str = ""
) -> DebugCapture:
    """Ask for everything that is logged for an account or for requests with an id.

    Args:
        actor: needs "monitoring.manage".
        reason: why; the person reads it.
        minutes: how long, 15 at most.
        user_id: whose requests.
        request_id: or which.

    Raises:
        PermissionDenied, InvalidInput, NotFound: it cannot be asked for.
    """
    require(actor, "monitoring.manage")
    cleaned = " ".join(str(reason).split())
    if not 5 <= len(cleaned) <= 300:
        raise InvalidInput("Say why, in 5 to 300 characters.", field="reason", remedy="The person reads it.")
    if not 1 <= minutes <= MOST_MINUTES:
        raise InvalidInput("It lasts 1 to 15 minutes.", field="minutes", remedy="Ask again when it was too short.")
    if bool(user_id) == bool(request_id):
        raise InvalidInput("Name an account or a request.", field="user_id", remedy="One of the two.")
    if request_id and not _REQUEST.fullmatch(request_id):
        raise InvalidInput(
            "This is no id of a request.", field="request_id", remedy="8 to 64 letters, digits, _ and -."
        )
    person = _person(user_id) if user_id else None
    with transaction.atomic():
        row = DebugCapture.objects.create(
            user_id=person.pk if person else None,
            request_id=request_id,
            reason=cleaned,
            minutes=minutes,
            asked_by_id=actor.user_id,
            asked_by=actor.label,
        )
        record(
            actor, "debug_capture.asked", obj=row, reason=cleaned, after={"subject": row.subject, "minutes": minutes}
        )
        if person is not None:
            told = (
                f"{actor.label} asks to see everything that the portal logs of your next {minutes} minutes: {cleaned}"
            )
            notify(person, "capture.asked", "May an operator look closely?", told, f"/captures/{row.pk}/")
        tell_operators(
            "capture.asked", "A debug capture is asked for", cleaned, f"/admin/monitoring/debugcapture/{row.pk}/change/"
        )
    return row


def _person(user_id: uuid.UUID | str) -> User:
    try:
        found = User.objects.filter(pk=uuid.UUID(str(user_id))).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound("There is no such account.")
    return found


def decide_capture(*, actor: Actor, capture_id: uuid.UUID | str, agree: bool) -> DebugCapture:
    """Agree to a capture, which begins it, or refuse it.

    Args:
        actor: the person whom it is about, or an operator who did not ask for it.
        capture_id: which.
        agree: whether.

    Raises:
        NotFound: there is none, or it is none of the actor's business.
        PermissionDenied: nobody agrees to what they asked for.
        Conflict: it was decided, or waited for too long.
    """
    with transaction.atomic():
        row = get_capture(actor, capture_id, lock=True)
        is_subject = row.user_id is not None and row.user_id == actor.user_id
        if not is_subject and row.asked_by_id == actor.user_id:
            raise PermissionDenied("Who asks does not agree.", remedy="Have the person or a second operator agree.")
        now = timezone.now()
        if row.state != DebugCapture.State.ASKED or now > row.asked_at + WAITS:
            raise Conflict("It was decided, or nobody agreed within an hour.", remedy="Ask for a new one.")
        row.decided_by = actor.label
        row.state = DebugCapture.State.RUNNING if agree else DebugCapture.State.REFUSED
        if agree:
            row.begun_at, row.ends_at = now, now + dt.timedelta(minutes=row.minutes)
            row.destroy_at = row.ends_at + KEPT
        row.save()
        record(actor, "debug_capture.approved" if agree else "debug_capture.refused", obj=row)
        if agree:
            transaction.on_commit(announce_running)
    return row


def end_capture(*, actor: Actor, capture_id: uuid.UUID | str, destroy: bool = False) -> DebugCapture:
    """End a capture before its time, or have what was captured destroyed at once.

    Args:
        actor: the person whom it is about, or an operator.
        capture_id: which.
        destroy: now, not in a day.

    Raises:
        NotFound, Conflict: there is nothing to end.
    """
    with transaction.atomic():
        row = get_capture(actor, capture_id, lock=True)
        if row.state not in (DebugCapture.State.RUNNING, DebugCapture.State.ENDED):
            raise Conflict("It does not run.", remedy="Load the page again.")
        now = timezone.now()
        row.ends_at = min(row.ends_at or now, now)
        row.state = DebugCapture.State.ENDED
        row.destroy_at = now if destroy else row.ends_at + KEPT
        row.save()
        record(actor, "debug_capture.ended", obj=row)
        transaction.on_commit(announce_running)
    return row


def get_capture(actor: Actor, capture_id: uuid.UUID | str, *, lock: bool = False) -> DebugCapture:
    """A capture that is the actor's business.

    Raises:
        NotFound: there is none.
    """
    rows = DebugCapture.objects.select_for_update() if lock else DebugCapture.objects.all()
    found = rows.filter(pk=capture_id).first()
    # A person agrees and reads in person: a key of theirs, made for something else, does neither.
    subject = found is not None and found.user_id == actor.user_id is not None and not actor.token_id
    if found is None or not (subject or can(actor, "monitoring.manage")):
        raise NotFound("There is no such capture.")
    return found


def read_capture(*, actor: Actor, capture_id: uuid.UUID | str, limit: int = 500) -> list[bytes]:
    """The newest lines that were captured on this machine, oldest first. That they were read is recorded.

    Args:
        actor: needs "monitoring.manage", or is whom it is about.
        capture_id: which.
        limit: how many.

    Raises:
        NotFound: there is none.
    """
    row = get_capture(actor, capture_id)
    path = captures.path_of(row.pk)
    lines = path.read_bytes().splitlines()[-limit:] if path.exists() else []
    if lines:
        record(actor, "debug_capture.read", obj=row)
    return lines


def announce_running() -> None:
    """Let the processes of this machine know which captures run."""
    _announce(DebugCapture.objects.filter(state=DebugCapture.State.RUNNING).order_by("pk"), timezone.now())


def _announce(rows: Iterable[DebugCapture], now: dt.datetime) -> None:
    captures.announce(
        [
            captures.Capture(
                str(row.pk), f"user:{row.user_id}" if row.user_id else "", row.request_id, row.ends_at.timestamp()
            )
            for row in rows
            if row.state == DebugCapture.State.RUNNING and row.ends_at is not None and row.ends_at > now
        ]
    )


def tend_captures() -> int:
    """Let captures begin and end on this machine, and destroy what is over. For the watch, which asks every two seconds.

    Returns:
        how many were destroyed.
    """
    now, state, here = timezone.now(), DebugCapture.State, _files()
    not_over = (state.ASKED, state.RUNNING, state.ENDED)
    # With those of which there is a file here though another machine has destroyed its own.
    rows = DebugCapture.objects.filter(Q(state__in=not_over) | Q(pk__in=list(here))).order_by("pk")
    found = list(rows)
    _announce(found, now)
    if any(row.state == state.RUNNING and row.ends_at is not None and row.ends_at <= now for row in found):
        DebugCapture.objects.filter(state=state.RUNNING, ends_at__lte=now).update(state=state.ENDED)
    if any(row.state == state.ASKED and row.asked_at < now - WAITS for row in found):
        DebugCapture.objects.filter(state=state.ASKED, asked_at__lt=now - WAITS).update(state=state.REFUSED)
    return sum(_destroy(row) for row in found if row.destroy_at is not None and row.destroy_at <= now)


def _files() -> dict[uuid.UUID, Path]:
    """The files of captures on this machine."""
    found = {}
    for path in captures.folder().glob("*.jsonl"):
        with suppress(ValueError):
            found[uuid.UUID(path.stem)] = path
    return found


def _destroy(row: DebugCapture) -> int:
    path, lines, digest = captures.path_of(row.pk), 0, ""
    if path.exists():
        content = path.read_bytes()
        lines, digest = content.count(b"\n"), hashlib.sha256(content).hexdigest()
    with transaction.atomic():
        first = DebugCapture.objects.filter(pk=row.pk).exclude(state=DebugCapture.State.DESTROYED)
        done = first.update(state=DebugCapture.State.DESTROYED, lines=lines, digest=digest)
        if done or lines:
            record(
                WATCH,
                "debug_capture.destroyed",
                obj=row,
                after={"lines": lines, "sha256": digest, "machine": node_name()},
            )
        # Within the transaction: should the receipt not be written, the file is still there for the next try.
        path.unlink(missing_ok=True)
    return 1


def drop_strays() -> int:
    """Remove files of captures that there are no rows of: those of a database that was restored."""
    here = _files()
    known = set(DebugCapture.objects.filter(pk__in=list(here)).values_list("pk", flat=True))
    for pk in set(here) - known:
        here[pk].unlink(missing_ok=True)
    return len(set(here) - known)
