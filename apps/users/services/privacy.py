"""The privacy desk: what people ask about their data, and what is decided about it. The work itself is `privacy_runs`."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from aiwriter.core.queue import enqueue
from apps.users.models import PrivacyRequest, User
from apps.users.selectors.access import Actor, require, require_person, require_proof
from apps.users.selectors.privacy import get_request
from apps.users.services import audit, notifications, privacy_parts
from apps.users.services.legal_holds import refuse_held
from apps.users.services.people import clean_email, refuse_losing_last_admin
from apps.users.services.sealing import open_sealed

Kind, State = PrivacyRequest.Kind, PrivacyRequest.State
# What the law gives: a month.
DUE_DAYS = 30
DESK = "/admin/users/privacyrequest/"
PAGE = "/privacy/"


def ask(*, actor: Actor, kind: str, wish: str = "", changes: Mapping[str, str] | None = None) -> PrivacyRequest:
    """Ask about one's own data. An export is made at once; everything else is decided by an administrator.

    Args:
        actor: a person who has just shown who they are.
        kind: "export", "erase", "rectify" or "restrict".
        wish: in their own words.
        changes: of a correction: "full_name", "email".

    Raises:
        ProofRequired: they have not shown lately who they are.
        InvalidInput: a value cannot be used.
        Conflict: such a request is open already, or a hold stands against it.
    """
    user = require_person(actor)
    require_proof(actor)
    return _open(actor, user, kind, identity="signed in", wish=wish, changes=changes or {})


def receive(
    *, actor: Actor, person: User, kind: str, identity: str, wish: str = "", changes: Mapping[str, str] | None = None
) -> PrivacyRequest:
    """Take in a request that came by letter, by mail or in person.

    Args:
        actor: needs "privacy.manage".
        person: whose data.
        kind, wish, changes: as for `ask`.
        identity: how they have shown who they are; kept with the request.

    Raises:
        InvalidInput: nothing says how they have shown who they are, or a value cannot be used.
        Conflict: as for `ask`.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    if not identity.strip():
        raise InvalidInput(
            "Say how the person has shown who they are.",
            field="identity",
            remedy="For example: passport seen on 3 May, or called back at the number in the staff list.",
        )
    return _open(actor, person, kind, identity=identity.strip()[:300], wish=wish, changes=changes or {})


def _open(
    actor: Actor, person: User, kind: str, *, identity: str, wish: str, changes: Mapping[str, str]
) -> PrivacyRequest:
    if kind not in Kind.values:
        raise InvalidInput(f"'{kind[:20]}' cannot be asked.", field="kind", remedy=f"Use {', '.join(Kind.values)}.")
    corrected = _corrected(kind, changes, wish)
    if kind == Kind.ERASE:
        refuse_held(person)
    now = timezone.now()
    at_once = kind == Kind.EXPORT
    try:
        with transaction.atomic():
            if kind == Kind.ERASE:
                refuse_losing_last_admin(person)
            row = PrivacyRequest.objects.create(
                kind=kind,
                state=State.QUEUED if at_once else State.WAITING,
                person=person,
                person_id_kept=person.pk,
                requested_by=actor.user,
                identity=identity,
                wish=wish.strip()[:5_000],
                changes=corrected,
                due_at=now + dt.timedelta(days=DUE_DAYS),
                decided_at=now if at_once else None,
            )
            audit.record(actor, "privacy.requested", obj=row, after={"kind": kind, "person": str(person.pk)})
            if at_once:
                enqueue("users.run_privacy", request_id=str(row.pk))
            else:
                title = _("A request about personal data waits for a decision")
                notifications.tell_roles(("admin",), "privacy.requested", title, link=f"{DESK}{row.pk}/change/")
    except IntegrityError as error:
        raise Conflict(
            "Such a request is open already.", field="kind", remedy="Wait until it is done, or have it stopped."
        ) from error
    return row


def _corrected(kind: str, changes: Mapping[str, str], wish: str) -> dict[str, str]:
    if kind != Kind.RECTIFY:
        return {}
    unknown = set(changes) - {"full_name", "email"}
    if unknown:
        raise InvalidInput("This cannot be corrected here.", field=min(unknown), remedy="Use full_name or email.")
    found = {name: text.strip() for name, text in changes.items() if text and text.strip()}
    if "email" in found:
        found["email"] = clean_email(found["email"])
    if "full_name" in found:
        found["full_name"] = found["full_name"][:150]
    if not found and not wish.strip():
        raise InvalidInput("Say what is wrong.", field="wish", remedy="Write the right name or address, or what else.")
    return found


def approve(*, actor: Actor, request_id: uuid.UUID | str, answer: str = "") -> PrivacyRequest:
    """Have a request carried out.

    Args:
        actor: needs "privacy.manage". For an erasure somebody who neither asked for it nor is the person.
        request_id: which.
        answer: what is said to the person.

    Raises:
        NotFound: there is none.
        PermissionDenied: an erasure needs a second person.
        Conflict: it is decided already, or a hold stands against it.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    row = get_request(actor=actor, request_id=request_id)
    if row.kind == Kind.ERASE:
        if actor.user_id in (row.requested_by_id, row.person_id_kept):
            raise PermissionDenied(
                "An erasure is decided by a second person.", remedy="Ask another administrator to look at it."
            )
        if row.person is not None:
            refuse_held(row.person)
    with transaction.atomic():
        _decide(actor, row, State.QUEUED, answer)
        audit.record(actor, "privacy.approved", obj=row, after={"kind": row.kind, "person": str(row.person_id_kept)})
        enqueue("users.run_privacy", request_id=str(row.pk))
    row.refresh_from_db()
    return row


def refuse(*, actor: Actor, request_id: uuid.UUID | str, answer: str) -> PrivacyRequest:
    """Refuse a request, and say why. The actor needs "privacy.manage".

    Raises:
        NotFound: there is none.
        InvalidInput: no reason is given.
        Conflict: it is decided already.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    row = get_request(actor=actor, request_id=request_id)
    if not answer.strip():
        raise InvalidInput("A refusal needs a reason.", field="answer", remedy="Say why; the person reads it.")
    with transaction.atomic():
        _decide(actor, row, State.REFUSED, answer)
        PrivacyRequest.objects.filter(pk=row.pk).update(finished_at=timezone.now())
        after = {"kind": row.kind, "person": str(row.person_id_kept)}
        audit.record(actor, "privacy.refused", obj=row, reason=answer, after=after)
        _tell(row, _("Your request about your data was refused"), answer)
    row.refresh_from_db()
    return row


def _decide(actor: Actor, row: PrivacyRequest, state: str, answer: str) -> None:
    changed = PrivacyRequest.objects.filter(pk=row.pk, state=State.WAITING).update(
        state=state,
        decided_by=actor.user,
        decided_at=timezone.now(),
        answer=answer.strip()[:500],
        queued_at=timezone.now(),
    )
    if not changed:
        raise Conflict("It is decided already.", remedy="Open it again to see how.")


def stop(*, actor: Actor, request_id: uuid.UUID | str) -> PrivacyRequest:
    """Take a request back, or end its work at the next step. What an erasure has taken away stays away.

    Args:
        actor: the person, or one with "privacy.manage".
        request_id: which.

    Raises:
        NotFound: there is none.
        Conflict: it has ended.
    """
    row = get_request(actor=actor, request_id=request_id)
    if row.person_id != actor.user_id:
        require(actor, "privacy.manage")
    now = timezone.now()
    with transaction.atomic():
        rows = PrivacyRequest.objects.filter(pk=row.pk)
        changed = rows.filter(state__in=(State.WAITING, State.QUEUED)).update(state=State.STOPPED, finished_at=now)
        if not changed and not rows.filter(state=State.RUNNING).update(stop_requested_at=now):
            raise Conflict("It has ended.", remedy="Nothing is to be stopped.")
        audit.record(actor, "privacy.stopped", obj=row, after={"kind": row.kind})
    row.refresh_from_db()
    return row


def again(*, actor: Actor, request_id: uuid.UUID | str) -> PrivacyRequest:
    """Go on with a request that was decided, and was stopped or failed. The actor needs "privacy.manage".

    Raises:
        NotFound: there is none.
        Conflict: it was not decided, or has not ended so.
    """
    require(actor, "privacy.manage")
    require_proof(actor)
    row = get_request(actor=actor, request_id=request_id)
    if row.kind == Kind.ERASE and row.person is not None:
        refuse_held(row.person)
    rows = PrivacyRequest.objects.filter(pk=row.pk, state__in=(State.STOPPED, State.FAILED), decided_at__isnull=False)
    try:
        with transaction.atomic():
            fields: dict[str, Any] = {"state": State.QUEUED, "stop_requested_at": None, "attempts": 0}
            if not rows.update(**fields, error="", remedy="", queued_at=timezone.now(), finished_at=None):
                raise Conflict("It cannot be begun again.", remedy="Only what was decided, and stopped or failed, can.")
            audit.record(actor, "privacy.begun_again", obj=row, after={"kind": row.kind})
            enqueue("users.run_privacy", request_id=str(row.pk))
    except IntegrityError as error:
        raise Conflict("Another such request is open.", remedy="See to that one.") from error
    row.refresh_from_db()
    return row


def download(*, actor: Actor, request_id: uuid.UUID | str) -> tuple[str, int, Iterator[bytes]]:
    """The file of a finished export, for its person alone: name, size, bytes.

    Args:
        actor: the person whose data it is, who has just shown who they are.
        request_id: which.

    Raises:
        NotFound: there is none, or it is somebody else's, whoever asks.
        Conflict: it is not ready, or its days are over.
        ProofRequired: as for `ask`.
    """
    user = require_person(actor)
    row = PrivacyRequest.objects.filter(pk=request_id, person=user, kind=Kind.EXPORT).first()
    if row is None:
        raise NotFound("There is no such file.")
    require_proof(actor)
    if not row.can_download:
        over = row.state == State.DONE
        raise Conflict(
            "The file is gone." if over else "The file is not ready.", remedy="Ask for a new one." if over else ""
        )
    audit.record(actor, "privacy.downloaded", obj=row)
    content = privacy_parts.parcel_read(row.parcel, open_sealed(row, "sealed_parcel_key"))
    return f"my-data-{row.created_at:%Y-%m-%d}.zip", row.parcel_size, content


def _tell(row: PrivacyRequest, title: str, body: str = "") -> None:
    if row.person is not None:
        notifications.notify(row.person, "privacy.answered", title, body, PAGE)
