"""Until when backups hold copies of what was erased in the portal."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from apps.backups.models import BackupSet, Destination, Policy

_SPANS = (("keep_daily", 1), ("keep_weekly", 7), ("keep_monthly", 31), ("keep_yearly", 366))


def copies() -> list[str]:
    """A line for each place that has sets: how many, and when the last of them goes by its policies.

    Single rows are not taken out of a backup: its sets are encrypted and sealed as wholes, and go with their time.
    """
    lines = []
    for place in Destination.objects.order_by("name"):
        sets = BackupSet.objects.filter(destination=place)
        if not (count := sets.count()):
            continue
        until = timezone.now() + dt.timedelta(days=max((_days(policy) for policy in place.policies.all()), default=0))
        line = f"{place.name}: {count} sets, the last of them until {until:%Y-%m-%d}"
        if not place.policies.exists():
            line = f"{place.name}: {count} sets, until somebody removes them: no policy does"
        if pinned := sets.exclude(pin="").count():
            line += f"; {pinned} pinned ones until their pin is taken off"
        lines.append(line)
    return lines


def _days(policy: Policy) -> int:
    kept = [policy.keep_days, policy.pitr_days if policy.pitr else 0]
    kept += [getattr(policy, name) * days for name, days in _SPANS]
    # Rules that count sets and not days: at the pace of the schedule.
    kept.append(-(-max(policy.keep_last, policy.keep_minimum) * int(policy.interval.total_seconds()) // 86_400))
    return max(kept)
