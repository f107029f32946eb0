"""Reading environments."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import NotFound
from apps.deployments.models import Environment, FreezeWindow
from apps.users.selectors.access import Actor, require

_WEEK = dt.timedelta(days=7)


def environments_for(actor: Actor) -> QuerySet[Environment]:
    """All environments."""
    require(actor, "deployments.read")
    return Environment.objects.select_related("current", "target", "follows__current").prefetch_related("freezes")


def environment_for(actor: Actor, environment_id: uuid.UUID | str) -> Environment:
    """One environment.

    Raises:
        NotFound: there is none.
    """
    found = environments_for(actor).filter(pk=environment_id).first()
    if found is None:
        raise NotFound("There is no such environment.")
    return found


def installation(environment: Environment) -> list[Environment]:
    """The hosts that work on one database with this environment, itself among them."""
    rows = list(Environment.objects.select_related("current"))
    found, size = {environment.pk}, 0
    while len(found) > size:
        size = len(found)
        for row in rows:
            if row.follows_id and not found.isdisjoint((row.pk, row.follows_id)):
                found |= {row.pk, row.follows_id}
    return [row for row in rows if row.pk in found]


def frozen_by(environment: Environment, now: dt.datetime | None = None) -> FreezeWindow | None:
    """The freeze that holds now, if one does."""
    moment = now or timezone.now()
    return next((freeze for freeze in environment.freezes.all() if _holds(freeze, moment)), None)


def _holds(freeze: FreezeWindow, now: dt.datetime) -> bool:
    if now < freeze.starts_at:
        return False
    since = (now - freeze.starts_at) % _WEEK if freeze.weekly else now - freeze.starts_at
    return since < freeze.ends_at - freeze.starts_at
