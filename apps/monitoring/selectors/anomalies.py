"""Reading what was unusual."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.monitoring.models import Anomaly
from apps.users.selectors.access import Actor, require


def anomalies_for(actor: Actor) -> QuerySet[Anomaly]:
    """All findings, newest first; for auditors."""
    require(actor, "audit.read")
    return Anomaly.objects.all()


def anomaly_for(actor: Actor, anomaly_id: uuid.UUID | str) -> Anomaly:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    found = anomalies_for(actor).filter(pk=anomaly_id).first()
    if found is None:
        raise NotFound("There is no such finding.")
    return found
