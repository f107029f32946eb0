"""What people are told, above the pages: before a version goes live, and what is new afterwards."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.deployments.models import Announcement
from apps.deployments.selectors.announcements import forget, keeps_from_telling
from apps.deployments.services.environments import words
from apps.deployments.services.plans import get_deployment
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

_LONGEST = dt.timedelta(days=30)


def announce(
    *,
    actor: Actor,
    text: str,
    ends_at: dt.datetime,
    starts_at: dt.datetime | None = None,
    audience: str = Announcement.Audience.USERS,
    link: str = "",
    deployment_id: uuid.UUID | str | None = None,
) -> Announcement:
    """Tell people something for a time.

    Args:
        actor: needs "deployments.run".
        text: one line.
        ends_at: until when, at most 30 days.
        starts_at: from when; now when left out.
        audience: "users" or "operators".
        link: a path within the portal.
        deployment_id: what it is about; it ends with it.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be said so.
    """
    require(actor, "deployments.run")
    begins = starts_at or timezone.now()
    if not dt.timedelta(0) < ends_at - begins <= _LONGEST:
        raise InvalidInput(
            "It has to end after it begins, within 30 days.", field="ends_at", remedy="Choose another end."
        )
    if audience not in Announcement.Audience.values:
        raise InvalidInput(f"'{audience[:20]}' is no audience.", field="audience", remedy="Use users or operators.")
    if link and (not link.startswith("/") or link.startswith(("//", "/\\"))):
        raise InvalidInput("An announcement links within the portal only.", field="link", remedy="Begin with one /.")
    deployment = get_deployment(deployment_id) if deployment_id else None
    with transaction.atomic():
        row = Announcement.objects.create(
            audience=audience,
            text=words(text, "text", 300),
            link=link[:200],
            starts_at=begins,
            ends_at=ends_at,
            deployment=deployment,
            author=actor.label[:254],
        )
        after = {"audience": audience, "text": row.text, "starts_at": begins, "ends_at": ends_at}
        record(actor, "announcement.created", obj=row, after=after)
    forget()
    return row


def publish_notes(*, actor: Actor, deployment_id: uuid.UUID | str, days: int = 7) -> Announcement:
    """Tell everybody what is new with a version, with a link to its notes.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to publish.
        Conflict: this portal shows no notes of it: it serves another one, or nobody any more.
        InvalidInput: nothing was written for everybody.
    """
    require(actor, "deployments.run")
    deployment = get_deployment(deployment_id)
    reason, remedy = keeps_from_telling(deployment)
    if reason:
        raise Conflict(reason, field="environment" if not deployment.environment.own else "state", remedy=remedy)
    if not deployment.release.notes_users.strip():
        raise InvalidInput(
            "Nothing was written for everybody.", field="notes_users", remedy="Write it on the release's page."
        )
    return announce(
        actor=actor,
        text=f"What is new in {deployment.release.version}",
        link=f"/whats-new/#v-{deployment.release.version}",
        ends_at=timezone.now() + dt.timedelta(days=max(1, min(days, 30))),
        deployment_id=deployment_id,
    )


def take_down(*, actor: Actor, announcement_id: uuid.UUID | str) -> None:
    """Say it no longer.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to take down.
    """
    require(actor, "deployments.run")
    row = Announcement.objects.filter(pk=announcement_id).first()
    if row is None:
        raise NotFound("There is no such announcement.")
    with transaction.atomic():
        record(actor, "announcement.deleted", obj=row, before={"text": row.text})
        row.delete()
    forget()
