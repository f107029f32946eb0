"""Carries out what the privacy desk has decided: a leased job with progress, which may be stopped and is taken up after a kill."""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import AppError, Conflict
from aiwriter.core.queue import enqueue
from apps.users.models import PrivacyRequest
from apps.users.selectors.access import Actor
from apps.users.services import audit, notifications, people, privacy_erasure, privacy_exports, privacy_parts
from apps.users.services.privacy import PAGE
from apps.users.services.sealing import seal_into

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=120)
MAX_ATTEMPTS = 6
EVERY_SECONDS = 1.0
ACTOR = Actor.system_actor("privacy desk")
Kind, State = PrivacyRequest.Kind, PrivacyRequest.State


class Stopped(Exception):
    """Somebody has asked for it, or somebody else has the row."""


class Progress:
    """Writes down how far a job is, keeps its lease, and ends it when that is asked."""

    def __init__(self, row: PrivacyRequest, fence: int) -> None:
        self._held = PrivacyRequest.objects.held(row.pk, fence=fence)
        self._done, self._at = 0, time.monotonic()

    def begin(self, total: int) -> None:
        """Say how many steps there are."""
        self._write(total=total, done=0)

    def phase(self, text: str) -> None:
        """Say what is at work."""
        self._write(phase=text[:80])

    def tick(self, count: int = 1) -> None:
        """Count steps. Raises `Stopped`."""
        self._done += count
        if time.monotonic() - self._at >= EVERY_SECONDS:
            self._write(done=self._done)

    def _write(self, **fields: Any) -> None:
        self._at = time.monotonic()
        if not self._held.filter(stop_requested_at=None).update(lease_until=timezone.now() + LEASE, **fields):
            raise Stopped


def run(request_id: uuid.UUID) -> None:
    """Carry out a request. Quiet when it is done or somebody else is at it."""
    fence = PrivacyRequest.objects.claim(request_id, lease=LEASE, to_state=State.RUNNING)
    if fence is None:
        return
    row = PrivacyRequest.objects.select_related("person").get(pk=request_id)
    held = PrivacyRequest.objects.held(request_id, fence=fence)
    held.filter(started_at=None).update(started_at=timezone.now())
    try:
        if row.attempts > MAX_ATTEMPTS:
            raise Conflict(f"It has ended the worker {MAX_ATTEMPTS} times.", remedy="Look at the worker's log.")
        fields = _work(row, Progress(row, fence))
    except Stopped:
        held.update(state=State.STOPPED, lease_until=None, finished_at=timezone.now())
        return
    except AppError as error:
        fields = {"state": State.FAILED, "error": error.message, "remedy": error.remedy}
    except Exception:
        logger.exception("privacy request %s failed", request_id)
        fields = {
            "state": State.FAILED,
            "error": "It could not be carried out.",
            "remedy": "See the log, then try again.",
        }
    if held.update(lease_until=None, finished_at=timezone.now(), **fields):
        _told(row, fields["state"])
    elif parcel := fields.get("parcel"):
        # A successor has the row: this file is nobody's.
        privacy_parts.parcel_drop(parcel)


def _work(row: PrivacyRequest, progress: Progress) -> dict[str, Any]:
    if row.kind == Kind.ERASE:
        report = privacy_erasure.erase(row, progress)
        return {"state": State.DONE, "report": report, "phase": "", "done": row.total or 1, "total": row.total or 1}
    if row.person is None:
        raise Conflict("The account is gone.", remedy="Nothing is left to be done.")
    if row.kind == Kind.EXPORT:
        with privacy_exports.written(privacy_parts.Person.of(row.person), progress) as (archive, report):
            place, key, size = privacy_parts.parcel_keep(archive)
        # Sealed for its row, as every secret in a column.
        seal_into(row, "sealed_parcel_key", key)
        return {
            "state": State.DONE,
            "report": report,
            "phase": "",
            "parcel": place,
            "sealed_parcel_key": row.sealed_parcel_key,
            "parcel_size": size,
            "expires_at": timezone.now() + dt.timedelta(days=settings.EXPORT_DAYS),
        }
    with transaction.atomic():
        if row.kind == Kind.RECTIFY and row.changes:
            people.update_user(actor=ACTOR, user=row.person, **row.changes)
        elif row.kind == Kind.RESTRICT:
            people.suspend_user(actor=ACTOR, user=row.person, reason="processing is restricted at the person's request")
    return {"state": State.DONE, "phase": ""}


def _told(row: PrivacyRequest, state: str) -> None:
    after = {"kind": row.kind, "person": str(row.person_id_kept), "state": state}
    outcome = "allowed" if state == State.DONE else "failed"
    audit.record(ACTOR, "privacy.carried_out", obj=row, outcome=outcome, after=after)
    # Asked anew: the account may be what was taken away.
    person = PrivacyRequest.objects.select_related("person").get(pk=row.pk).person
    if person is not None and state == State.DONE:
        ready = row.kind == Kind.EXPORT
        title = _("The copy of your data is ready") if ready else _("Your request about your data is done")
        notifications.notify(person, "privacy.answered", title, link=PAGE)
    elif state == State.FAILED:
        title = _("A request about personal data failed")
        notifications.tell_roles(
            ("admin",), "privacy.failed", title, link=f"/admin/users/privacyrequest/{row.pk}/change/"
        )


def sweep() -> int:
    """Wake requests whose message or worker was lost, and remove files whose days are over. Returns how many were woken."""
    patience = timezone.now() - dt.timedelta(seconds=15)
    ids = list(PrivacyRequest.objects.claimable().filter(queued_at__lt=patience).values_list("pk", flat=True)[:20])
    for each in ids:
        enqueue("users.run_privacy", request_id=str(each))
    over = PrivacyRequest.objects.exclude(parcel="").filter(expires_at__lt=timezone.now())
    for row in over[:50]:
        drop_parcel(row)
    return len(ids)


def drop_parcel(row: PrivacyRequest) -> None:
    """Remove the file of an export. Its key goes first: from then on the bytes are noise, wherever they lie."""
    PrivacyRequest.objects.filter(pk=row.pk).update(sealed_parcel_key="")
    privacy_parts.parcel_drop(row.parcel)
    PrivacyRequest.objects.filter(pk=row.pk).update(parcel="", parcel_size=0)
