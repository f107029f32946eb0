"""What the rules look at: results of checks, figures over time, audit events. Read once for all rules, then judged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Max, Min, Sum

from apps.monitoring.models import MINUTE, AlertRule, CheckResult, ExpectedRun, MetricPoint, Slo
from apps.monitoring.selectors.slos import Counted, counted_all
from apps.monitoring.services.checks import registry
from apps.users.models import AuditEvent

DRILL = "drill"
_MANY_SUBJECTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a rule found of one subject.

    Args:
        subject: a check on a machine, a label of a figure.
        wrong: None when nothing is known.
        summary: one sentence.
    """

    subject: str
    wrong: bool | None
    value: float | None = None
    summary: str = ""
    remedy: str = ""
    link: str = ""
    severity: str = ""


@dataclass(slots=True)
class Seen:
    """Everything that the rules of one round may ask for."""

    now: dt.datetime
    results: list[CheckResult] = field(default_factory=list)
    required: frozenset[str] = frozenset()
    titles: dict[str, str] = field(default_factory=dict)
    points: dict[tuple[str, int], dict[str, tuple[float, float, float, float]]] = field(default_factory=dict)
    events: dict[tuple[str, int], int] = field(default_factory=dict)
    # By objective and minutes: the window and a twelfth of it.
    budgets: dict[tuple[str, int], tuple[Slo, Counted, Counted]] = field(default_factory=dict)
    runs: list[ExpectedRun] = field(default_factory=list)


def read_all(rules: Iterable[AlertRule], now: dt.datetime) -> Seen:
    """Read what the rules need: one query for all checks, one for each window of figures and of events."""
    rules = list(rules)
    seen = Seen(now)
    if any(rule.source == "check" for rule in rules):
        checks = registry()
        seen.results = list(CheckResult.objects.all())
        seen.required = frozenset(check.key for check in checks if check.required)
        seen.titles = {check.key: str(check.title) for check in checks}
    for minutes in {rule.window_minutes for rule in rules if rule.source == "figure"}:
        names = {r.subject for r in rules if r.source == "figure" and r.window_minutes == minutes}
        for name, label, *values in _figures(names, minutes, now):
            seen.points.setdefault((name, minutes), {})[label] = (values[0], values[1], values[2], values[3])
    for minutes in {rule.window_minutes for rule in rules if rule.source == "event"}:
        actions = {r.subject for r in rules if r.source == "event" and r.window_minutes == minutes}
        since = now - dt.timedelta(minutes=minutes)
        rows = AuditEvent.objects.filter(action__in=actions, occurred_at__gte=since).order_by().values_list("action")
        seen.events |= {(action, minutes): count for action, count in rows.annotate(Count("pk"))}
    if burning := {rule.window_minutes for rule in rules if rule.source == "burn"}:
        slos = list(Slo.objects.filter(enabled=True))
        # The short window of one rule is often the long one of another.
        windows = {each: counted_all(slos, each, now) for each in {m * s for m in burning for s in (60, 5)}}
        for slo in slos:
            for minutes in burning:
                both = windows[minutes * 60][slo.slug], windows[minutes * 5][slo.slug]
                seen.budgets[slo.slug, minutes] = (slo, *both)
    if any(rule.source == "run" for rule in rules):
        seen.runs = list(ExpectedRun.objects.filter(enabled=True))
    return seen


def _figures(
    names: Iterable[str], minutes: int, now: dt.datetime
) -> Iterable[tuple[str, str, float, float, float, float]]:
    since = int(now.timestamp()) - minutes * 60
    return (
        MetricPoint.objects.filter(series__name__in=names, step=MINUTE, at__gte=since)
        .order_by()
        .values_list("series__name", "series__label")
        .annotate(Sum("count"), Sum("total"), Min("low"), Max("high"))
    )


def looks_of(rule: AlertRule, seen: Seen) -> Sequence[Look]:
    """What a rule finds.

    Args:
        rule: which.
        seen: what was read for it.
    """
    if rule.source == AlertRule.Source.CHECK:
        return _checks(rule, seen)
    if rule.source == AlertRule.Source.FIGURE:
        return _figure(rule, seen.points.get((rule.subject, rule.window_minutes), {}))
    if rule.source == AlertRule.Source.BURN:
        return [_burn(rule, *seen.budgets[key]) for key in seen.budgets if _asked(rule, key)]
    if rule.source == AlertRule.Source.RUN:
        return [_run(run, seen.now) for run in seen.runs if rule.subject in ("", run.slug)]
    return [_event(rule, seen.events.get((rule.subject, rule.window_minutes), 0))]


def _checks(rule: AlertRule, seen: Seen) -> list[Look]:
    # When the database does not answer nearly everything fails with it; one fault is one alert.
    frozen = {row.node for row in seen.results if row.key == "database" and _status(row, seen) == "fail"}
    looks = []
    for row in seen.results:
        if rule.subject not in ("", row.key):
            continue
        status = _status(row, seen)
        bad = {"warn": ("warn", "fail"), "fail": ("fail",), "none": ()}[rule.level]
        wrong = None if status == "unknown" else status in bad
        if wrong and row.key != "database" and row.node in frozen:
            wrong = None
        # A general rule leaves failing to the rule that asks for nothing else, so that nobody is told twice.
        if wrong and rule.subject == "" and rule.level == "warn" and status == "fail":
            wrong = False
        title = seen.titles.get(row.key, row.key)
        looks.append(
            Look(
                subject=f"{row.key} on {row.node}",
                wrong=wrong,
                summary=f"{title}: {row.message}",
                remedy=row.remedy,
                link=f"/admin/monitoring/checkresult/{row.pk}/change/",
                severity="critical" if status == "fail" and row.key in seen.required else "",
            )
        )
    return looks


def _status(row: CheckResult, seen: Seen) -> str:
    return row.status if row.valid_until >= seen.now else "unknown"


def _figure(rule: AlertRule, points: dict[str, tuple[float, float, float, float]]) -> list[Look]:
    chosen = {label: p for label, p in points.items() if label == rule.label or (not rule.label and label != DRILL)}
    if not chosen:
        return [Look(subject=rule.label, wrong=None, summary=f"Nothing is known of {rule.subject} {rule.label}.")]
    return [figure_look(rule, label, point) for label, point in sorted(chosen.items())[:_MANY_SUBJECTS]]


def figure_look(rule: AlertRule, label: str, point: tuple[float, float, float, float]) -> Look:
    """Judge one figure.

    Args:
        rule: says how the minutes are combined, and what is too much.
        label: of what.
        point: count, sum, lowest and highest of the window.
    """
    count, total, low, high = point
    value = {"mean": total / count if count else 0.0, "sum": total, "highest": high, "lowest": low}[rule.combine]
    wrong = value > rule.threshold if rule.compare == AlertRule.Compare.ABOVE else value < rule.threshold
    return Look(
        subject=label,
        wrong=wrong,
        value=value,
        summary=f"{rule.subject} {label}: {rule.get_combine_display().lower()} of {rule.window_minutes} min is "
        f"{value:.4g}, {rule.get_compare_display().lower()} {rule.threshold:.4g} is too much.",
        link="/admin/monitoring/metricseries/",
    )


def _asked(rule: AlertRule, key: tuple[str, int]) -> bool:
    return rule.subject in ("", key[0]) and rule.window_minutes == key[1]


def _burn(rule: AlertRule, slo: Slo, long: Counted, short: Counted) -> Look:
    """Both windows have to say so: the long one that it matters, the short one that it still goes on."""
    fast = long.burn(slo) > rule.threshold and short.burn(slo) > rule.threshold
    hours = f"{rule.window_minutes / 60:g} h"
    return Look(
        subject=slo.slug,
        wrong=fast and long.bad >= slo.least_bad if long.every else None,
        value=long.burn(slo),
        summary=f"{slo.title}: {long.bad:g} of {long.every:g} went wrong within {hours}. The error budget burns "
        f"{long.burn(slo):.1f} times as fast as it may, {short.burn(slo):.1f} times just now.",
        link=f"/admin/monitoring/slo/{slo.pk}/change/",
    )


def _run(run: ExpectedRun, now: dt.datetime) -> Look:
    state = run.state_at(now)
    said = f"It reported last {run.reported_at:%Y-%m-%d %H:%M:%S} UTC." if run.reported_at else "It never ended."
    failed = f"{run.title} failed" + (f" with exit code {run.exit_code}." if run.exit_code is not None else ".")
    return Look(
        subject=run.slug,
        wrong=None
        if state == ExpectedRun.State.NEW
        else state in (ExpectedRun.State.MISSING, ExpectedRun.State.FAILING),
        summary=failed if state == ExpectedRun.State.FAILING else f"{run.title} has not reported in time. {said}",
        remedy="Look at the job on its machine; its last words stand with its reports.",
        link=f"/admin/monitoring/expectedrun/{run.pk}/change/",
    )


def _event(rule: AlertRule, count: int) -> Look:
    return Look(
        subject=rule.subject,
        wrong=count > rule.threshold,
        value=float(count),
        summary=f"{rule.subject} was recorded {count} times within {rule.window_minutes} min.",
        link="/admin/users/auditevent/",
    )


def shadow(rule: AlertRule, now: dt.datetime) -> Seen:
    """What a rule would read when its trouble were there: the same way of judging, with nothing real in it.

    Args:
        rule: which.
        now: when.
    """
    seen = Seen(now)
    if rule.source == AlertRule.Source.CHECK:
        row = CheckResult(
            key=rule.subject or DRILL,
            node=DRILL,
            status="ok" if rule.level == "none" else rule.level,
            message="A drill: nothing is wrong.",
            valid_until=now + dt.timedelta(minutes=-1 if rule.level == "none" else 1),
        )
        seen.results = [row]
    elif rule.source == AlertRule.Source.FIGURE:
        step = max(abs(rule.threshold), 1.0)
        value = rule.threshold + step if rule.compare == AlertRule.Compare.ABOVE else rule.threshold - step
        seen.points = {(rule.subject, rule.window_minutes): {rule.label or "shadow": (1, value, value, value)}}
    elif rule.source == AlertRule.Source.BURN:
        slo = Slo(slug=rule.subject or DRILL, title="A drill", least_bad=1)
        all_bad = Counted(1000.0, 1000.0 * min(1.0, slo.allowed_share * rule.threshold * 2))
        seen.budgets = {(slo.slug, rule.window_minutes): (slo, all_bad, all_bad)}
    elif rule.source == AlertRule.Source.RUN:
        before = now - dt.timedelta(days=1)
        seen.runs = [ExpectedRun(slug=rule.subject or DRILL, title="A drill", period_seconds=60, reported_at=before)]
    else:
        seen.events = {(rule.subject, rule.window_minutes): int(rule.threshold) + 1}
    return seen
