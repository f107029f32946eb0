"""Looks once an hour for what accounts do not usually do, and tells the auditors."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from aiwriter.core.clients import network_of
from aiwriter.core.errors import NotFound
from apps.monitoring.models import Anomaly, UsageRow
from apps.monitoring.services.leading import leads
from apps.monitoring.services.unusual import PAST, Act, Finding, new_places, unusual
from apps.users.models import AuditEvent, RoleGrant
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record
from apps.users.services.notifications import tell_auditors

EVERY = 900.0
KEPT = dt.timedelta(days=400)
DOWNLOADS = ("file.downloaded", "document.exported", "documents.exported")
# What only system roles do; their acts outside of the hours in which they work are told.
_PRIVILEGED = (
    "role.", "role_rule.", "user.", "key.", "backup.", "profile.", "factor_policy.", "sign_in_provider.", "audit.",
    "outside.", "maintenance.",
)  # fmt: skip
_DEVICE = ("Firefox", "Edg", "Chrome", "Safari", "curl", "python")


def find_anomalies(*, now: dt.datetime | None = None) -> int:
    """Judge the present part of the day for everybody, if this process has the lead.

    Args:
        now: the present when left out.

    Returns:
        how many findings are new.
    """
    if not leads("anomalies"):
        return 0
    moment = now or timezone.now()
    found = unusual(_acts(moment), moment)
    found += new_places(_signs(moment), moment, within=dt.timedelta(seconds=EVERY * 2))
    Anomaly.objects.filter(found_at__lt=moment - KEPT).delete()
    return sum(_keep(each, moment) for each in found)


def _keep(found: Finding, now: dt.datetime) -> int:
    with transaction.atomic():
        row, new = Anomaly.objects.get_or_create(
            kind=found.kind,
            user_id=uuid.UUID(found.user_id),
            begins_at=found.begins_at,
            defaults={"value": found.value, "usual": found.usual, "score": found.score, "found_at": now},
        )
        if not new:
            # It went on: the finding grows, nobody is told again.
            Anomaly.objects.filter(pk=row.pk, value__lt=found.value).update(value=found.value, score=found.score)
            return 0
        tell_auditors(
            "anomaly.found",
            f"Unusual activity: {row.get_kind_display()}",
            f"{found.value:g} since {found.begins_at:%Y-%m-%d %H:%M} UTC, usually {found.usual:g}. Nothing was blocked.",
            f"/admin/monitoring/anomaly/{row.pk}/change/",
        )
    return 1


def _acts(now: dt.datetime) -> Iterator[Act]:
    since = now - PAST - dt.timedelta(days=1)
    events = AuditEvent.objects.filter(occurred_at__gte=since, occurred_at__lte=now, actor_id__startswith="user:")
    privileged = {str(pk) for pk in RoleGrant.objects.live().values_list("user_id", flat=True)}
    rows = (
        events.annotate(hour=TruncHour("occurred_at"))
        .order_by()
        .values_list("actor_id", "hour", "action", "outcome")
        .annotate(Count("pk"))
    )
    for actor, hour, action, outcome, count in rows:
        user_id = actor.removeprefix("user:")
        if outcome == AuditEvent.Outcome.DENIED:
            yield Act(user_id, hour, "denied", count)
        elif action in DOWNLOADS:
            yield Act(user_id, hour, "downloads", count)
        elif user_id in privileged and action.startswith(_PRIVILEGED):
            yield Act(user_id, hour, "privileged", count)
    spent = (
        UsageRow.objects.filter(created_at__gte=since, created_at__lte=now, user_id__isnull=False, cost__isnull=False)
        .annotate(hour=TruncHour("created_at"))
        .order_by()
        .values_list("user_id", "hour")
        .annotate(Sum("cost"))
    )
    for user_id, hour, cost in spent:
        yield Act(str(user_id), hour, "cost", float(cost))


def _signs(now: dt.datetime) -> list[tuple[str, dt.datetime, str, str]]:
    rows = UserSession.objects.filter(created_at__gte=now - PAST, created_at__lte=now)
    return [
        (str(user_id), at, network_of(str(address or "")), _device(agent))
        for user_id, at, address, agent in rows.values_list("user_id", "created_at", "ip", "user_agent")
    ]


def _device(agent: str) -> str:
    """The family of a browser and its system: a new version is no new device."""
    family = next((each for each in _DEVICE if each in agent), "other")
    system = next((each for each in ("Windows", "Android", "iPhone", "iPad", "Mac", "Linux") if each in agent), "other")
    return f"{family} on {system}" if agent else ""


def mark_seen(*, actor: Actor, anomaly_id: uuid.UUID | str, note: str = "") -> Anomaly:
    """Say that somebody has looked at it.

    Args:
        actor: needs "audit.read".
        anomaly_id: which.
        note: what it turned out to be.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to look at.
    """
    require(actor, "audit.read")
    with transaction.atomic():
        row = Anomaly.objects.select_for_update().filter(pk=anomaly_id).first()
        if row is None:
            raise NotFound("There is no such finding.")
        row.seen_at, row.seen_by, row.note = timezone.now(), actor.label, " ".join(note.split())[:300]
        row.save(update_fields=["seen_at", "seen_by", "note"])
        record(actor, "anomaly.seen", obj=row, after={"note": row.note})
    return row
