"""Reading incidents."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core.errors import NotFound
from apps.monitoring.models import Incident
from apps.users.selectors.access import Actor, require

_BEFORE = dt.timedelta(hours=1)


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
    # What went before may be why: an hour of it is shown too.
    since, until = incident.opened_at - _BEFORE, incident.resolved_at or timezone.now()
    for path in settings.INCIDENT_MOMENTS:
        found += [Moment(at, text, who) for at, text, who in import_string(path)(since, until)]
    return sorted(found, key=lambda each: each.at)
