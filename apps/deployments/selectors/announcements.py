"""Reading announcements, and what is new."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from apps.deployments.models import Announcement, Deployment, Release, State, Strategy
from apps.users.selectors.access import Actor, require

_KEPT_SECONDS = 10.0
_SHOWN = 3
# They bring nobody anything that was not there before.
_NOTHING_NEW = (Strategy.ROLLBACK, Strategy.CONTRACT)


@dataclass(frozen=True, slots=True)
class Line:
    """What stands above a page."""

    text: str
    link: str


_kept: dict[str, tuple[float, tuple[Line, ...]]] = {}


def announcements_for(actor: Actor) -> QuerySet[Announcement]:
    """All announcements, newest first."""
    require(actor, "deployments.read")
    return Announcement.objects.all()


def lines(audience: str) -> tuple[Line, ...]:
    """What is said now; every page asks, so each process asks the database once in ten seconds."""
    asked_at, found = _kept.get(audience, (0.0, ()))
    now = time.monotonic()
    if not asked_at or now - asked_at > _KEPT_SECONDS:
        moment = timezone.now()
        rows = Announcement.objects.filter(audience=audience, starts_at__lte=moment, ends_at__gt=moment)
        found = tuple(Line(row.text, row.link) for row in rows[:_SHOWN])
        _kept[audience] = (now, found)
    return found


def forget() -> None:
    """Ask the database at the next page."""
    _kept.clear()


def served_releases(limit: int = 20) -> list[Release]:
    """Versions of this portal's own environment that people may read about, newest first."""
    rows = (
        Deployment.objects.filter(state=State.SUCCEEDED, environment__own=True)
        .exclude(release__notes_users="")
        .exclude(strategy__in=_NOTHING_NEW)
        .select_related("release")
        .order_by("-finished_at")
    )
    found: dict[str, Release] = {}
    for row in rows[:100]:
        found.setdefault(row.release.version, row.release)
    return list(found.values())[:limit]


def keeps_from_telling(deployment: Deployment) -> tuple[str, str]:
    """Why people cannot be told now what is new with it, and what to do about that; both empty when they can.

    An announcement leads to the page of `served_releases`: it may promise nothing that is not there.
    """
    version, environment = deployment.release.version, deployment.environment
    if not environment.own:
        return (
            f"{environment.title} is another portal: its notes are shown there and not here.",
            "Tell it there, or mark the environment as this portal's own if this portal runs in it.",
        )
    if deployment.strategy in _NOTHING_NEW:
        return "It brought nothing new.", "Tell it of the deployment that brought the version."
    if deployment.state != State.SUCCEEDED or environment.current_id != deployment.release_id:
        return f"{version} is not live.", "Tell it once the version serves everybody."
    return "", ""
