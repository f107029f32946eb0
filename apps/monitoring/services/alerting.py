"""A round of judging: looks become alerts, alerts become messages, all in one transaction.

Whoever runs the rounds may be killed at any point: alerts and their deliveries are committed together, so the next round
goes on where this one stopped, tells nothing twice and forgets nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from django.db import transaction
from django.utils import timezone

from apps.monitoring.models import Alert, AlertDelivery, AlertRoute, AlertRule, Severity, Silence
from apps.monitoring.services import incidents
from apps.monitoring.services.judging import Terms, Track, look
from apps.monitoring.services.leading import leads
from apps.monitoring.services.observing import Look, looks_of, read_all

ROUND_SECONDS = 5.0


def evaluate(*, now: dt.datetime | None = None) -> int:
    """Judge every rule once, if this process has the lead.

    Args:
        now: when; the present when left out.

    Returns:
        how many alerts fire.
    """
    if not leads("alerts"):
        return 0
    moment = now or timezone.now()
    rules = list(AlertRule.objects.filter(enabled=True))
    seen = read_all(rules, moment)
    with transaction.atomic():
        known = {alert.fingerprint: alert for alert in Alert.objects.filter(state__in=Alert.OPEN_STATES, drill=False)}
        silences = list(Silence.objects.filter(starts_at__lte=moment, ends_at__gt=moment))
        for rule in rules:
            looked = set()
            for each in looks_of(rule, seen):
                mark = fingerprint(rule, each.subject)
                looked.add(mark)
                _judge(rule, each, known.get(mark), silences, moment)
            # A check that is gone was taken out, or its machine was. A figure that is gone is only not known now.
            gone = False if rule.source == AlertRule.Source.CHECK else None
            for mark, alert in known.items():
                if alert.rule_id == rule.pk and mark not in looked and not alert.external:
                    _judge(rule, Look(subject=alert.subject, wrong=gone), alert, silences, moment)
        _end_orphans({rule.pk for rule in rules}, known.values(), moment)
        _repeat(silences, moment)
    return Alert.objects.filter(state=Alert.State.FIRING, drill=False).count()


def fingerprint(rule: AlertRule | None, subject: str, title: str = "") -> str:
    """The same for the same trouble."""
    return hashlib.sha256(f"{rule.pk if rule else title}\0{subject}".encode()).hexdigest()


def terms_of(rule: AlertRule) -> Terms:
    """How patient a rule is."""
    return Terms(
        wait=rule.for_seconds,
        keep=rule.keep_firing_seconds,
        needed=rule.needed,
        of_last=rule.of_last,
        no_data=rule.no_data,
        no_data_wait=rule.no_data_seconds,
    )


def _judge(rule: AlertRule, found: Look, alert: Alert | None, silences: list[Silence], now: dt.datetime) -> None:
    before = (
        Track()
        if alert is None
        else Track(
            state=alert.state,  # type: ignore[arg-type]
            begun=alert.begun_at,
            right_since=alert.right_since,
            silent_since=alert.silent_since,
            looks=alert.looks,
        )
    )
    after, severity = look(before, found.wrong, terms_of(rule), now), found.severity or rule.severity
    if alert is None:
        # Only what may become an alert gets a row. Looks before the first wrong one are right ones, and silence that
        # may come to count has to be remembered from its beginning.
        if after.state == "" and not (found.wrong is None and rule.no_data == AlertRule.NoData.ALERT):
            return
        alert = Alert(
            rule=rule,
            fingerprint=fingerprint(rule, found.subject),
            title=rule.title,
            subject=found.subject,
            severity=severity,
            begun_at=after.begun or now,
        )
    elif after.state == "" and found.wrong is not None:
        alert.delete()
        return
    fires = after.state == "firing" and alert.state != Alert.State.FIRING
    ends = after.state == "resolved"
    alert.looks, alert.right_since, alert.silent_since = after.looks, after.right_since, after.silent_since
    alert.begun_at = after.begun or alert.begun_at
    if found.wrong is not False and found.summary:
        alert.summary, alert.remedy, alert.value, alert.link = found.summary, found.remedy, found.value, found.link
        if Severity(severity).rank > Severity(alert.severity).rank:
            alert.severity = severity
    alert.state = after.state or Alert.State.PENDING
    if fires:
        alert.fired_at = now
    if ends:
        alert.resolved_at = now
    alert.silenced = any(silence.covers(alert, now) for silence in silences)
    alert.save()
    if fires and not alert.silenced:
        tell(alert, AlertDelivery.Kind.FIRING, now)
        if alert.severity == Severity.CRITICAL:
            incidents.open_for(alert)
    if ends:
        tell_end(alert, now)
        incidents.watch_ended(alert)


def _end_orphans(rules: set[object], known: Iterable[Alert], now: dt.datetime) -> None:
    """End what belongs to a rule that was switched off or removed."""
    for alert in known:
        if alert.rule_id not in rules and not alert.external:
            if alert.state == Alert.State.PENDING:
                alert.delete()
                continue
            alert.state, alert.resolved_at = Alert.State.RESOLVED, now
            alert.save(update_fields=["state", "resolved_at"])
            tell_end(alert, now)


def routes_for(alert: Alert) -> list[AlertRoute]:
    """The routes that an alert takes."""
    slug = alert.rule.slug if alert.rule else "external"
    found = []
    for route in AlertRoute.objects.filter(enabled=True, channel__enabled=True).select_related("channel"):
        patterns = [each.strip() for each in route.rules.split(",") if each.strip()]
        if Severity(alert.severity).rank < Severity(route.least_severity).rank:
            continue
        if not patterns or any(fnmatchcase(slug, pattern) for pattern in patterns):
            found.append(route)
    return found


def tell(alert: Alert, kind: str, now: dt.datetime) -> list[AlertDelivery]:
    """Put messages about an alert into the queue, gathered with what else fires now.

    Args:
        alert: which.
        kind: firing or resolved.
        now: when.
    """
    made = []
    channels = set()
    for route in routes_for(alert):
        if route.channel_id in channels or (kind == AlertDelivery.Kind.RESOLVED and not route.tell_end):
            continue
        channels.add(route.channel_id)
        waiting = AlertDelivery.objects.filter(
            channel=route.channel, route=route, kind=kind, state=AlertDelivery.State.QUEUED, attempts=0
        )
        # A drill goes alone: its receipt must be its own.
        delivery = None if alert.drill else waiting.filter(next_try_at__gt=now, alerts__drill=False).first()
        if delivery is None:
            after = dt.timedelta(seconds=0 if alert.drill else route.gather_seconds)
            delivery = AlertDelivery.objects.create(
                channel=route.channel, route=route, kind=kind, next_try_at=now + after, queued_at=now
            )
        delivery.alerts.add(alert)
        made.append(delivery)
    return made


def tell_end(alert: Alert, now: dt.datetime) -> None:
    """Tell that it is over, those who were told that it began."""
    if AlertDelivery.objects.filter(alerts=alert, kind=AlertDelivery.Kind.FIRING).exists():
        tell(alert, AlertDelivery.Kind.RESOLVED, now)


def _repeat(silences: list[Silence], now: dt.datetime) -> None:
    """Tell again what nobody has taken up; tell at all what was silenced until now."""
    for alert in Alert.objects.filter(state=Alert.State.FIRING, drill=False).select_related("rule"):
        silenced = any(silence.covers(alert, now) for silence in silences)
        if silenced != alert.silenced:
            alert.silenced = silenced
            alert.save(update_fields=["silenced"])
        if silenced:
            continue
        told = AlertDelivery.objects.filter(alerts=alert, kind=AlertDelivery.Kind.FIRING)
        last = told.order_by("-created_at").values_list("created_at", flat=True).first()
        if last is None:
            tell(alert, AlertDelivery.Kind.FIRING, now)
        elif alert.acknowledged_at is None:
            hours = [route.repeat_hours for route in routes_for(alert) if route.repeat_hours]
            if hours and now - last >= dt.timedelta(hours=min(hours)):
                tell(alert, AlertDelivery.Kind.FIRING, now)
