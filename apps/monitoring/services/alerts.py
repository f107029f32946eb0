"""What people and other programs do with alerts: take them up, keep them quiet, bring some from outside."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.redact import redact
from apps.monitoring.models import LONGEST_SILENCE, Alert, AlertDelivery, Silence
from apps.monitoring.services.alerting import fingerprint, tell, tell_end
from apps.monitoring.services.channels import checked
from apps.monitoring.services.rules import get_rule
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

_SEVERITIES = {"critical": "critical", "page": "critical", "error": "critical", "warning": "warning", "info": "info"}
_MAX_ALERTS = 200


def acknowledge(*, actor: Actor, alert_id: uuid.UUID | str) -> Alert:
    """Say that one has seen it and is at it: it is not told again, and still ends by itself.

    Args:
        actor: needs "monitoring.manage".
        alert_id: which.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to take up.
        Conflict: it does not fire.
    """
    require(actor, "monitoring.manage")
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(pk=alert_id).first()
        if alert is None:
            raise NotFound("There is no such alert.")
        if alert.state != Alert.State.FIRING:
            raise Conflict("It does not fire.", remedy="Only what fires can be taken up.")
        if alert.acknowledged_at is None:
            alert.acknowledged_at, alert.acknowledged_by = timezone.now(), actor.label
            alert.save(update_fields=["acknowledged_at", "acknowledged_by"])
            record(actor, "alert.acknowledged", obj=alert)
    return alert


def create_silence(
    *,
    actor: Actor,
    reason: str,
    ends_at: dt.datetime,
    starts_at: dt.datetime | None = None,
    kind: str = Silence.Kind.SILENCE,
    rule_id: uuid.UUID | str | None = None,
    subject: str = "",
    announcement: str = "",
) -> Silence:
    """Keep alerts quiet for a while. They are still judged and shown.

    Args:
        actor: needs "monitoring.manage".
        reason: why; shown to everybody who looks.
        ends_at: at most seven days after its begin.
        starts_at: now when left out.
        kind: "silence", or "maintenance" for one that was planned.
        rule_id: of this rule only; of all when left out.
        subject: only what contains this.
        announcement: of a maintenance window: what the public status page says, from three days before it begins.

    Raises:
        PermissionDenied, NotFound: the actor may not, or there is no such rule.
        InvalidInput: a value cannot be used.
    """
    require(actor, "monitoring.manage")
    begins = starts_at or timezone.now()
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason", remedy="Whoever looks at night wants to know.")
    if announcement.strip() and kind != Silence.Kind.MAINTENANCE:
        raise InvalidInput(
            "Only a maintenance window is announced.",
            field="announcement",
            remedy="Choose maintenance, or leave it empty.",
        )
    if ends_at - begins > LONGEST_SILENCE:
        raise InvalidInput(
            "A silence lasts seven days at most.", field="ends_at", remedy="Make a shorter one, or switch the rule off."
        )
    if ends_at <= timezone.now():
        raise InvalidInput("It would be over already.", field="ends_at", remedy="Choose a later end.")
    silence = Silence(
        kind=kind,
        rule=get_rule(rule_id) if rule_id else None,
        subject=subject.strip()[:200],
        reason=reason.strip()[:300],
        announcement=announcement.strip(),
        starts_at=begins,
        ends_at=ends_at,
        author=actor.label,
    )
    checked(silence)
    with transaction.atomic():
        silence.save(force_insert=True)
        record(
            actor,
            "silence.created",
            obj=silence,
            after={
                "kind": kind,
                "subject": silence.subject,
                "starts_at": begins,
                "ends_at": ends_at,
                "announcement": silence.announcement,
            },
        )
    return silence


def end_silence(*, actor: Actor, silence_id: uuid.UUID | str) -> Silence:
    """End a silence now; what still fires is told with the next round.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to end.
    """
    require(actor, "monitoring.manage")
    silence = Silence.objects.filter(pk=silence_id).first()
    if silence is None:
        raise NotFound("There is no such silence.")
    now = timezone.now()
    with transaction.atomic():
        if silence.starts_at >= now:
            record(actor, "silence.ended", obj=silence)
            silence.delete()
        elif silence.ends_at > now:
            silence.ends_at = now
            silence.save(update_fields=["ends_at"])
            record(actor, "silence.ended", obj=silence)
    return silence


def take_in(*, actor: Actor, body: Mapping[str, Any]) -> int:
    """Take alerts from a Prometheus Alertmanager (webhook, version 4); they go the same ways as our own.

    Args:
        actor: needs "monitoring.manage"; a token with that scope is what Alertmanager sends.
        body: as Alertmanager sends it.

    Returns:
        how many were new or ended.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: the body is not of that form.
    """
    require(actor, "monitoring.manage")
    rows = body.get("alerts")
    if not isinstance(rows, list) or len(rows) > _MAX_ALERTS or not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInput("There is no list of alerts.", field="alerts", remedy="Send what Alertmanager sends.")
    now, changed = timezone.now(), 0
    with transaction.atomic():
        for row in rows:
            changed += _take_one(row, now)
    return changed


def _take_one(row: Mapping[str, Any], now: dt.datetime) -> int:
    labels = {str(k): str(v)[:200] for k, v in dict(row.get("labels") or {}).items()}
    notes = {str(k): redact(str(v))[:1000] for k, v in dict(row.get("annotations") or {}).items()}
    title = labels.pop("alertname", "") or "An alert from outside"
    severity = _SEVERITIES.get(labels.pop("severity", ""), "warning")
    subject = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))[:200]
    mark = fingerprint(None, subject, title)
    known = Alert.objects.select_for_update().filter(fingerprint=mark, state__in=Alert.OPEN_STATES).first()
    if row.get("status") == "resolved":
        if known is None:
            return 0
        known.state, known.resolved_at = Alert.State.RESOLVED, now
        known.save(update_fields=["state", "resolved_at"])
        tell_end(known, now)
        return 1
    if known is not None:
        return 0
    alert = Alert.objects.create(
        fingerprint=mark,
        title=title[:200],
        subject=subject,
        severity=severity,
        state=Alert.State.FIRING,
        summary=notes.get("summary", "") or notes.get("description", ""),
        remedy=notes.get("description", "") if notes.get("summary") else "",
        begun_at=now,
        fired_at=now,
        external=True,
    )
    tell(alert, AlertDelivery.Kind.FIRING, now)
    return 1
