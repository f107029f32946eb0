"""Reading incidents."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.monitoring.models import Incident
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the whole timeline."""

    at: dt.datetime
    text: str
    who: str
    public: bool = False


def incidents_for(actor: Actor) -> QuerySet[Incident]:
    """All incidents, newest first."""
    require(actor, "monitoring.read")
    return Incident.objects.all()


def incident_for(actor: Actor, incident_id: uuid.UUID | str) -> Incident:
    """One incident.

    Raises:
        NotFound: there is none.
    """
    found = incidents_for(actor).filter(pk=incident_id).first()
    if found is None:
        raise NotFound("There is no such incident.")
    return found


def timeline(incident: Incident) -> list[Moment]:
    """What was said and what the alerts did, in order."""
    found = [Moment(e.at, e.text, e.author, e.public) for e in incident.entries.all()]
    for alert in incident.alerts.all():
        if alert.fired_at:
            found.append(Moment(alert.fired_at, f"Fires: {alert.title}. {alert.summary}", "watch"))
        if alert.acknowledged_at:
            found.append(Moment(alert.acknowledged_at, f"Takes up: {alert.title}.", alert.acknowledged_by))
        if alert.resolved_at:
            found.append(Moment(alert.resolved_at, f"Over: {alert.title}.", "watch"))
    return sorted(found, key=lambda each: each.at)
