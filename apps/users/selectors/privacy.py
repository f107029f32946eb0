"""Reads of the privacy desk."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.users.models import LegalHold, PrivacyRequest, User
from apps.users.selectors.access import Actor, can, require, require_person


def requests_for(actor: Actor) -> QuerySet[PrivacyRequest]:
    """All requests, newest first. Needs "privacy.read"."""
    require(actor, "privacy.read")
    return PrivacyRequest.objects.select_related("person", "requested_by", "decided_by")


def own_requests(actor: Actor) -> QuerySet[PrivacyRequest]:
    """One's own requests, newest first."""
    return PrivacyRequest.objects.filter(person=require_person(actor))


def get_request(*, actor: Actor, request_id: uuid.UUID | str) -> PrivacyRequest:
    """One request: one's own, or any with "privacy.read".

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    rows = PrivacyRequest.objects.select_related("person", "requested_by", "decided_by")
    if not can(actor, "privacy.read"):
        rows = rows.filter(person=require_person(actor))
    try:
        found: PrivacyRequest | None = rows.filter(pk=uuid.UUID(str(request_id))).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound("There is no such request.")
    return found


def holds_for(actor: Actor) -> QuerySet[LegalHold]:
    """All legal holds, newest first. Needs "privacy.read"."""
    require(actor, "privacy.read")
    return LegalHold.objects.select_related("user", "placed_by", "lifted_by")


def waiting_counts() -> tuple[int, int, int]:
    """For the health check, without asking for permission: requests that are late, due within five days, failed."""
    now = timezone.now()
    open_ones = PrivacyRequest.objects.filter(state__in=PrivacyRequest.OPEN_STATES)
    late = open_ones.filter(due_at__lt=now).count()
    soon = open_ones.filter(due_at__gte=now, due_at__lt=now + dt.timedelta(days=5)).count()
    failed = PrivacyRequest.objects.filter(state="failed", created_at__gt=now - dt.timedelta(days=60)).count()
    return late, soon, failed


def person_by_email(*, actor: Actor, email: str) -> User:
    """The account that a request is about, whatever its status.

    Raises:
        NotFound: nobody has an account with this address.
    """
    require(actor, "privacy.manage")
    found = User.objects.filter(email=email.strip().lower()).first()
    if found is None:
        raise NotFound("Nobody has an account with this address.", field="email", remedy="Look it up under People.")
    return found
