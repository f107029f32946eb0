"""Reading releases, and which of them must stay on the hosts."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from apps.deployments.models import Deployment, Environment, Release, State
from apps.users.selectors.access import Actor, require

# So many versions that served in an environment are never cleared away: the way back must lead somewhere.
KEPT = 3


def releases_for(actor: Actor) -> QuerySet[Release]:
    """All releases, newest first."""
    require(actor, "deployments.read")
    return Release.objects.all()


def release_for(actor: Actor, release_id: uuid.UUID | str) -> Release:
    """One release.

    Raises:
        NotFound: there is none.
    """
    found = releases_for(actor).filter(pk=release_id).first()
    if found is None:
        raise NotFound("There is no such release.")
    return found


def kept_releases(environment: Environment) -> list[str]:
    """Versions that must stay on the hosts of an environment: the last that succeeded, and what is under way there."""
    rows = Deployment.objects.filter(environment=environment).select_related("release", "from_release")
    under_way: set[str] = set()
    served: list[str] = [environment.current.version] if environment.current else []
    for row in rows.exclude(state=State.WITHDRAWN).order_by("-created_at")[:200]:
        names = [row.release.version, *([row.from_release.version] if row.from_release else [])]
        if not row.is_final:
            under_way |= set(names)
        elif row.state == State.SUCCEEDED:
            served += names
        else:
            served += names[1:]
    return sorted(under_way | set(list(dict.fromkeys(served))[:KEPT]))
