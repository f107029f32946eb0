"""What the console's home says about the past days: how they went, what fires, who works when, which budgets run out."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.plots import Cell
from apps.monitoring.models import AlertRule, Budget
from apps.monitoring.selectors.alerts import firing, silences_for
from apps.monitoring.selectors.health import Day, strips
from apps.monitoring.selectors.incidents import incidents_for
from apps.monitoring.selectors.usage import BudgetState, calls_by_hour, states_of
from apps.monitoring.services.checks import registry
from apps.users.selectors.access import Actor

_RANK = {"none": 0, "ok": 1, "warn": 2, "unknown": 3, "fail": 4}
_WEEKS = 4
_LISTED = 6
_NEARLY = 0.8


def alerts_and_days(actor: Actor) -> dict[str, Any]:
    """What fires, what is kept quiet, which rules are unproven, and the last 90 days of what the portal needs."""
    rules = list(AlertRule.objects.filter(enabled=True))
    alerts = list(firing(actor).filter(silenced=False)[:_LISTED])
    required = {check.key for check in registry() if check.required}
    by_check = [days for key, days in strips(actor).items() if key in required]
    days = [_worst(each) for each in zip(*by_check, strict=True)]
    watched = [share for day in days if (share := day.good_share) is not None]
    return {
        "incidents": incidents_for(actor).exclude(state="resolved")[:_LISTED],
        "alerts": alerts,
        "silences": silences_for(actor, live=True)[:_LISTED],
        "unproven": sum(1 for rule in rules if not rule.is_proven),
        "rules": len(rules),
        "days": [Cell(f"{day.day}: {_words(day)}", day.status) for day in days],
        "good_share": 100 * sum(watched) / len(watched) if watched else None,
        "bad_days": [day for day in days[::-1] if day.status not in ("none", "ok")][:5],
    }


def _worst(each: tuple[Day, ...]) -> Day:
    return max(each, key=lambda day: (_RANK[day.status], day.seconds["fail"]))


def _words(day: Day) -> str:
    if day.status == "none":
        return _("nobody looked")
    bad = {name: round(day.seconds[name] / 60) for name in ("fail", "unknown", "warn") if day.seconds[name] >= 60}
    return ", ".join(f"{name} {minutes} min" for name, minutes in bad.items()) or "ok"


def activity() -> dict[str, Any]:
    """When models were called in the last four weeks: a row for each day of the week, a piece for each hour (UTC)."""
    since = timezone.now() - dt.timedelta(weeks=_WEEKS)
    counts: Counter[tuple[int, int]] = Counter()
    for hour, count in calls_by_hour(since).items():
        counts[hour.weekday(), hour.hour] += count
    if not counts:
        return {"activity": None}
    top = max(counts.values())
    names = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
    cells = [
        (
            name,
            [
                Cell(f"{name} {hour}:00: {counts[day, hour]}", str(-(-4 * counts[day, hour] // top)))
                for hour in range(24)
            ],
        )
        for day, name in enumerate(names)
    ]
    busiest = sorted(counts.items(), key=lambda each: -each[1])[:3]
    return {
        "activity": cells,
        "busiest": [(names[day], hour, count) for (day, hour), count in busiest],
    }


def spent_budgets() -> dict[str, list[BudgetState]]:
    """Budgets of which four fifths are used, the fullest first."""
    states = [state for state in states_of(list(Budget.objects.filter(enabled=True)[:500])) if state.share >= _NEARLY]
    return {"budgets": sorted(states, key=lambda state: -state.share)[:_LISTED]}
