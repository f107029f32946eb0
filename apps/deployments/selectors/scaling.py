"""Reading scale policies, what came of them, and the numbers that the agent goes by."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.utils import timezone

from aiwriter.core.errors import InvalidInput, NotFound
from aiwriter.core.leases import LeasedJob
from aiwriter.core.plots import Line
from apps.deployments.models import Environment, ScaleEvent, ScalePolicy
from apps.users.selectors.access import Actor, require

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHOWN = dt.timedelta(hours=24)
_LINE = re.compile(r"(?P<days>[a-z,\-]+) +(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d) +(?P<count>\d{1,2})")


def policies_for(actor: Actor, environment_id: uuid.UUID | str | None = None) -> QuerySet[ScalePolicy]:
    """All policies, or those of one environment."""
    require(actor, "deployments.read")
    rows = ScalePolicy.objects.select_related("environment", "environment__target")
    return rows.filter(environment_id=environment_id) if environment_id else rows


def policy_for(actor: Actor, policy_id: uuid.UUID | str) -> ScalePolicy:
    """One policy.

    Raises:
        NotFound: there is none.
    """
    found = policies_for(actor).filter(pk=policy_id).first()
    if found is None:
        raise NotFound("There is no such scale policy.")
    return found


def events_for(actor: Actor, environment_id: uuid.UUID | str, part: str = "") -> QuerySet[ScaleEvent]:
    """What was done, or would have been, the newest first."""
    require(actor, "deployments.read")
    rows = ScaleEvent.objects.filter(environment_id=environment_id)
    return rows.filter(part=part) if part else rows


def bounds_of(environment: Environment) -> dict[str, tuple[int, int]]:
    """Fewest and most of each part that the agent's own file allows, as it reported; what is missing it does not scale."""
    target = getattr(environment, "target", None)
    found = (target.observed if target else {}).get("scale")
    if not isinstance(found, dict):
        return {}
    return {part: (pair[0], pair[1]) for part, pair in found.items() if isinstance(pair, list) and len(pair) == 2}


def curve(policy: ScalePolicy) -> list[Line]:
    """How many ran and how many were wanted in the last day; a minute without a report breaks the line."""
    since = timezone.now() - SHOWN
    rows = policy.environment.scale_samples.filter(part=policy.part, at__gte=since)
    ran: list[tuple[float, float | None]] = []
    wanted: list[tuple[float, float | None]] = []
    for at, count, asked in rows.values_list("at", "count", "wanted"):
        moment = at.timestamp()
        if ran and moment - ran[-1][0] > 180:
            ran.append((moment - 1, None))
            wanted.append((moment - 1, None))
        ran.append((moment, float(count)))
        wanted.append((moment, float(asked)))
    return [Line("run", ran), Line("wanted", wanted)] if ran else []


def windows_of(text: str) -> list[dict[str, Any]]:
    """The times of a policy, as the agent reads them.

    Raises:
        InvalidInput: a line is none.
    """
    found = []
    for line in filter(None, (each.strip().lower() for each in text.splitlines())):
        match = _LINE.fullmatch(line)
        days = _days(match["days"]) if match else []
        begin, end = (_minutes(match[name]) if match else None for name in ("begin", "end"))
        if match is None or not days or begin is None or end is None or begin == end or int(match["count"]) < 1:
            raise InvalidInput(
                f"'{line[:60]}' is no time of the week.",
                field="windows",
                remedy='Write one a line as "mon-fri 07:00-19:00 3": days, from-until in UTC, how many at least.',
            )
        found.append({"days": days, "begin": begin, "end": end, "count": int(match["count"])})
    return found


def _days(text: str) -> list[int]:
    found: set[int] = set()
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return []
        begin, end = DAYS.index(first), DAYS.index(last) if dash else DAYS.index(first)
        # fri-mon goes over the end of the week.
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return sorted(found)


def _minutes(text: str) -> int | None:
    hours, minutes = int(text[:2]), int(text[3:])
    return hours * 60 + minutes if hours < 24 and minutes < 60 else None


def for_agent(environment: Environment) -> list[dict[str, Any]]:
    """The policies of an environment as its agent reads them."""
    names = ("part", "metric", "target", "minimum", "maximum", "cooldown_seconds", "zero_after_seconds")
    return [
        {**{name: getattr(row, name) for name in names}, "windows": windows_of(row.windows), "act": row.acts}
        for row in environment.scale_policies.all()
    ]


def waiting_jobs(now: dt.datetime) -> int:
    """Jobs of this portal that a worker could begin now."""
    models = [model for model in apps.get_models() if issubclass(model, LeasedJob)]
    return sum(model._default_manager.filter(model.waiting(now)).count() for model in models)
