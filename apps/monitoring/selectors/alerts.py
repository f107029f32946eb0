"""Reading alerts, and how they are set up."""

from __future__ import annotations

import uuid

from django.db.models import Case, IntegerField, QuerySet, When
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.monitoring.models import Alert, AlertChannel, AlertDelivery, AlertRoute, AlertRule, Severity, Silence
from apps.users.selectors.access import Actor, require


def alerts_for(actor: Actor) -> QuerySet[Alert]:
    """All alerts, newest first."""
    require(actor, "monitoring.read")
    return Alert.objects.select_related("rule")


def firing(actor: Actor) -> QuerySet[Alert]:
    """What fires now, drills aside: the worst first, of those the oldest."""
    rank = Case(*(When(severity=each, then=each.rank) for each in Severity), output_field=IntegerField())
    return alerts_for(actor).filter(state=Alert.State.FIRING, drill=False).order_by(rank.desc(), "begun_at")


def get_alert(actor: Actor, alert_id: uuid.UUID | str) -> Alert:
    """One alert.

    Raises:
        NotFound: there is none.
    """
    found = alerts_for(actor).filter(pk=alert_id).first()
    if found is None:
        raise NotFound("There is no such alert.")
    return found


def rules_for(actor: Actor) -> QuerySet[AlertRule]:
    """All rules."""
    require(actor, "monitoring.read")
    return AlertRule.objects.all()


def silences_for(actor: Actor, *, live: bool = False) -> QuerySet[Silence]:
    """Silences, the last to end first."""
    require(actor, "monitoring.read")
    rows = Silence.objects.select_related("rule")
    return rows.filter(ends_at__gt=timezone.now()) if live else rows


def channels_for(actor: Actor) -> QuerySet[AlertChannel]:
    """All channels."""
    require(actor, "monitoring.read")
    return AlertChannel.objects.all()


def routes_for(actor: Actor) -> QuerySet[AlertRoute]:
    """All routes."""
    require(actor, "monitoring.read")
    return AlertRoute.objects.select_related("channel")


def deliveries_for(actor: Actor) -> QuerySet[AlertDelivery]:
    """Every telling, newest first."""
    require(actor, "monitoring.read")
    return AlertDelivery.objects.select_related("channel")
