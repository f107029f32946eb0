"""The figures of a report, made once on the server; page, mail and API show the same ones.

Parts above this app add their sections through `REPORT_PARTS`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Sum
from django.utils import timezone
from django.utils.module_loading import import_string

from apps.monitoring.models import Alert, CheckDay, ErrorDay, ErrorGroup, Incident, Slo, UsageRow
from apps.monitoring.selectors.slos import Counted, counted
from apps.monitoring.services.checks import registry

_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure in words.

    Args:
        label: of what.
        value: how much, with its unit.
        before: the same of the time before; "" where that is not said.
        look: "ok", "warn", "fail", or "" for a figure that is neither good nor bad.
    """

    label: str
    value: str
    before: str = ""
    look: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What belongs together.

    Args:
        title: its heading.
        rows: its figures.
        note: what is to be said where there are none.
    """

    title: str
    rows: Sequence[Row] = ()
    note: str = ""


def figures(since: dt.datetime, until: dt.datetime) -> dict[str, Any]:
    """All of it, as JSON can hold it.

    Args:
        since: the first moment.
        until: the first moment after it.
    """
    before = since - (until - since)
    sections = [_availability(since, until), _objectives(since, until), _incidents(since, until)]
    sections += [import_string(path)(since, until) for path in settings.REPORT_PARTS]
    sections += [_usage(since, until, before), _errors(since, until, before)]
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "made_at": timezone.now().isoformat(timespec="seconds"),
        "version": settings.VERSION,
        "sections": [asdict(section) for section in sections],
    }


def span(length: dt.timedelta) -> str:
    """A time for people."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"


def _availability(since: dt.datetime, until: dt.datetime) -> Section:
    required = {check.key: str(check.title) for check in registry() if check.required}
    rows = CheckDay.objects.filter(key__in=required, day__gte=since.date(), day__lt=until.date())
    names = ("ok_seconds", "warn_seconds", "fail_seconds", "unknown_seconds")
    found = []
    sums = rows.order_by("key").values("key").annotate(**{f"sum_{name}": Sum(name) for name in names})
    for key, *lengths in sums.values_list("key", *(f"sum_{name}" for name in names)):
        seconds = dict(zip(names, lengths, strict=True))
        every = sum(seconds.values())
        if not every:
            continue
        bad = seconds["fail_seconds"] + seconds["unknown_seconds"]
        share = 100 * (every - bad) / every
        found.append(
            Row(
                label=required[key],
                value=f"{share:.3f} %" + (f", {span(dt.timedelta(seconds=bad))} not" if bad else ""),
                look="ok" if share >= 99.9 else "warn" if share >= 99 else "fail",
            )
        )
    return Section(title="Availability", rows=found, note="Nobody looked in this time: the watch did not run.")


def _objectives(since: dt.datetime, until: dt.datetime) -> Section:
    seconds = int((until - since).total_seconds())
    found = []
    for slo in Slo.objects.filter(enabled=True).order_by("slug"):
        seen: Counted = counted(slo, seconds, until)
        if not seen.every:
            continue
        share = 100 * (1 - seen.bad_share)
        found.append(
            Row(
                label=f"{slo.title} (goal {slo.objective:g} %)",
                value=f"{share:.3f} %, {seen.bad:g} of {seen.every:g} went wrong",
                look="ok" if share >= slo.objective else "fail",
            )
        )
    return Section(title="Objectives", rows=found, note="Nothing that is counted happened in this time.")


def _incidents(since: dt.datetime, until: dt.datetime) -> Section:
    alerts = Alert.objects.filter(drill=False, fired_at__gte=since, fired_at__lt=until)
    by_severity = dict(alerts.order_by().values_list("severity").annotate(Count("pk")))
    told = ", ".join(f"{by_severity[name]} {name}" for name in ("critical", "warning", "info") if name in by_severity)
    incidents = list(Incident.objects.filter(opened_at__gte=since, opened_at__lt=until).order_by("opened_at"))
    found = [
        Row(label="Alerts that fired", value=told or "none", look="warn" if by_severity.get("critical") else ""),
        Row(label="Incidents", value=str(len(incidents)), look="warn" if incidents else "ok"),
    ]
    for incident in incidents[:_LISTED]:
        lasted = (
            f"over after {span(incident.resolved_at - incident.opened_at)}" if incident.resolved_at else "still open"
        )
        found.append(
            Row(
                label=f"{incident.opened_at:%Y-%m-%d %H:%M} {incident.title}",
                value=f"{incident.get_severity_display()}; {lasted}",
                look="" if incident.resolved_at else "fail",
            )
        )
    return Section(title="Alerts and incidents", rows=found)


def _money(sums: Sequence[tuple[str, Decimal | None]]) -> str:
    return ", ".join(f"{cost:,.2f} {currency}" for currency, cost in sums if currency and cost is not None) or "–"


def _usage(since: dt.datetime, until: dt.datetime, before: dt.datetime) -> Section:
    now, then = ((UsageRow.objects.filter(created_at__gte=a, created_at__lt=b).order_by()) for a, b in
                 ((since, until), (before, since)))  # fmt: skip
    added = [rows.aggregate(calls=Count("pk"), given=Sum("input_tokens"), got=Sum("output_tokens"),
                            people=Count("user_id", distinct=True)) for rows in (now, then)]  # fmt: skip
    cost = [
        _money(list(rows.values_list("currency").annotate(Sum("cost")).order_by("currency"))) for rows in (now, then)
    ]
    found = [
        Row(label=label, value=f"{added[0][name] or 0:,}", before=f"{added[1][name] or 0:,}")
        for name, label in (
            ("calls", "Calls of models"),
            ("given", "Tokens sent"),
            ("got", "Tokens written"),
            ("people", "People who had something written"),
        )
    ]
    found.append(Row(label="Cost", value=cost[0], before=cost[1]))
    models = now.values("model").annotate(calls=Count("pk"), got=Sum("output_tokens")).order_by("-got")[:5]
    found += [
        Row(label=f"of {each['model']}", value=f"{each['calls']:,} calls, {each['got'] or 0:,} tokens written")
        for each in models
    ]
    return Section(title="Usage and cost", rows=found)


def _errors(since: dt.datetime, until: dt.datetime, before: dt.datetime) -> Section:
    def count(start: dt.datetime, end: dt.datetime) -> int:
        rows = ErrorDay.objects.filter(day__gte=start.date(), day__lt=end.date())
        return rows.aggregate(n=Sum("count"))["n"] or 0

    fresh = ErrorGroup.objects.filter(first_seen_at__gte=since, first_seen_at__lt=until).count()
    found = [
        Row(label="Errors", value=f"{count(since, until):,}", before=f"{count(before, since):,}"),
        Row(label="Kinds that were not there before", value=str(fresh), look="warn" if fresh else "ok"),
    ]
    often = (
        ErrorDay.objects.filter(day__gte=since.date(), day__lt=until.date())
        .order_by()
        .values("group")
        .annotate(n=Sum("count"), kind=Min("group__kind"), place=Min("group__place"))
        .order_by("-n", "kind")[:_LISTED]
    )
    found += [
        Row(
            label=f"{each['kind']} in {each['place']}"[:120] if each["place"] else each["kind"][:120],
            value=f"{each['n']:,} times",
        )
        for each in often
    ]
    return Section(title="Errors", rows=found)
