"""Sends messages about alerts: leased, repeated, with a receipt, and by another way when one does not work."""

from __future__ import annotations

import datetime as dt
import logging
import smtplib
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from aiwriter.core.egress import post
from aiwriter.core.errors import AppError
from aiwriter.core.redact import redact
from aiwriter.core.signatures import sign
from aiwriter_sdk import BackendError
from apps.monitoring.models import Alert, AlertChannel, AlertDelivery, AlertRule
from apps.users.services.notifications import tell_operators
from apps.users.services.sealing import open_sealed

log = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=60)
TIMEOUT = 10.0
# After each failed try: about eight hours in all. An alert that is older helps nobody.
PAUSES = (5, 15, 60, 300, 900, 3600, 7200, 14_400)
SECOND_WAY_AFTER = 3
KEEP = dt.timedelta(days=90)
_EXCERPT = 200
_ICONS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}


def deliver_due(limit: int = 50) -> int:
    """Send what is due.

    Returns:
        how many messages were tried.
    """
    due = AlertDelivery.objects.claimable().filter(next_try_at__lte=timezone.now())
    ids = list(due.order_by("next_try_at").values_list("pk", flat=True)[:limit])
    return sum(run_delivery(each) for each in ids)


def run_delivery(delivery_id: uuid.UUID) -> bool:
    """Send one message. False when it is sent already, or somebody else is at it."""
    fence = AlertDelivery.objects.claim(delivery_id, lease=LEASE, to_state=AlertDelivery.State.RUNNING)
    if fence is None:
        return False
    row = AlertDelivery.objects.select_related("channel").get(pk=delivery_id)
    held = AlertDelivery.objects.held(delivery_id, fence=fence)
    alerts = list(row.alerts.select_related("rule").order_by("begun_at"))
    if not row.channel.enabled and row.kind != AlertDelivery.Kind.TEST:
        held.update(state=AlertDelivery.State.FAILED, lease_until=None, error="The channel is switched off.")
        return True
    if row.channel.kind == AlertChannel.Kind.PEOPLE:
        # The messages and the note that they were left are one transaction: exactly once, whoever is killed.
        with transaction.atomic():
            receipt = _people(row, alerts)
            _settle(row, held, alerts, receipt=receipt, error="", took=0)
        return True
    begun = time.monotonic()
    receipt, error = send_now(row, alerts)
    _settle(row, held, alerts, receipt=receipt, error=error, took=round((time.monotonic() - begun) * 1000))
    return True


def send_now(row: AlertDelivery, alerts: Sequence[Alert]) -> tuple[str, str]:
    """Send a message. No database is needed: the row may be one that was never stored.

    Returns:
        the receipt, and what went wrong; one of them is empty.
    """
    return tried(lambda: _SENDERS[row.channel.kind](row, alerts), f"alert delivery {row.pk}")


def tried(send: Callable[[], str], what: str) -> tuple[str, str]:
    """Try to send something. Never raises: who cannot be reached keeps the others from nothing.

    Args:
        send: sends it and gives the receipt.
        what: for the log.

    Returns:
        the receipt, and what went wrong; one of them is empty.
    """
    try:
        return send(), ""
    except AppError as problem:
        error = str(problem)
    except (OSError, smtplib.SMTPException) as problem:
        error = f"{type(problem).__name__}: {problem}"
    except Exception:
        log.exception("%s could not be sent", what)
        error = "Something went wrong on the server; see the log of the watch."
    return "", redact(error)


def _settle(
    row: AlertDelivery,
    held: QuerySet[AlertDelivery],
    alerts: Sequence[Alert],
    *,
    receipt: str,
    error: str,
    took: int,
) -> None:
    now = timezone.now()
    one = {"at": now.isoformat(), "ms": took, "error": error[:200]}
    fields: dict[str, Any] = {
        "lease_until": None,
        "receipt": receipt[:300],
        "error": error[:500],
        "tries": [*row.tries, one][-12:],
        "finished_at": now,
    }
    if not error:
        fields["state"] = AlertDelivery.State.DELIVERED
    elif row.attempts <= len(PAUSES):
        pause = dt.timedelta(seconds=PAUSES[row.attempts - 1])
        fields |= {"state": AlertDelivery.State.QUEUED, "next_try_at": now + pause}
    else:
        fields["state"] = AlertDelivery.State.FAILED
    with transaction.atomic():
        if not held.update(**fields):
            return
        channel = AlertChannel.objects.filter(pk=row.channel_id)
        if not error:
            channel.update(failing_since=None, last_delivered_at=now)
            _note_proof(alerts, now)
        else:
            channel.filter(failing_since=None).update(failing_since=now)
            if row.attempts == SECOND_WAY_AFTER and row.kind != AlertDelivery.Kind.TEST:
                _second_way(row, alerts, error)


def _note_proof(alerts: Sequence[Alert], now: dt.datetime) -> None:
    """A drill has arrived when all its messages have: then the rule is proven, and the drill is over."""
    for alert in alerts:
        if not alert.drill or alert.state == Alert.State.RESOLVED:
            continue
        if alert.deliveries.exclude(state=AlertDelivery.State.DELIVERED).exists():
            continue
        Alert.objects.filter(pk=alert.pk).update(state=Alert.State.RESOLVED, resolved_at=now)
        if alert.rule_id:
            AlertRule.objects.filter(pk=alert.rule_id).update(proven_at=now, updated_at=F("updated_at"))


def _second_way(row: AlertDelivery, alerts: Sequence[Alert], error: str) -> None:
    title, body = _words(row, alerts)
    tell_operators(
        "alert.undelivered",
        f"The channel “{row.channel.name}” does not take alerts: {title}"[:200],
        f"{error}\n\n{body}",
        f"/admin/monitoring/alertchannel/{row.channel_id}/change/",
    )


# ------------------------------------------------------------ what is said
def _words(row: AlertDelivery, alerts: Sequence[Alert]) -> tuple[str, str]:
    """A line, and all of it."""
    if row.kind == AlertDelivery.Kind.TEST or not alerts:
        return "A test of the channel", "If you read this, it works. Nothing is wrong."
    first = alerts[0]
    mark = "DRILL: " if first.drill else ""
    over = "Over: " if row.kind == AlertDelivery.Kind.RESOLVED else ""
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    title = f"{mark}{over}{first.title}{more}"
    lines = []
    for alert in alerts:
        lines.append(f"[{alert.severity}] {alert.title}: {alert.summary or alert.subject}")
        if alert.remedy and row.kind == AlertDelivery.Kind.FIRING:
            lines.append(f"  What to do: {alert.remedy}")
        lines.append(f"  {settings.PUBLIC_URL}/admin/monitoring/alert/{alert.pk}/change/")
    return title, "\n".join(lines)


def alertmanager_body(row: AlertDelivery, alerts: Sequence[Alert]) -> dict[str, Any]:
    """The body that Prometheus' Alertmanager sends (version 4), so that what takes its webhooks takes ours."""
    status = "resolved" if row.kind == AlertDelivery.Kind.RESOLVED else "firing"
    rows = [
        {
            "status": status,
            "labels": {
                "alertname": alert.rule.slug if alert.rule else alert.title,
                "severity": alert.severity,
                "subject": alert.subject,
                **({"drill": "true"} if alert.drill else {}),
            },
            "annotations": {"summary": alert.summary or alert.title, "description": alert.remedy},
            "startsAt": (alert.fired_at or alert.begun_at).isoformat(),
            "endsAt": alert.resolved_at.isoformat() if alert.resolved_at else "0001-01-01T00:00:00Z",
            "generatorURL": f"{settings.PUBLIC_URL}/admin/monitoring/alert/{alert.pk}/change/",
            "fingerprint": alert.fingerprint[:16],
        }
        for alert in alerts
    ]
    if not rows:
        rows = [
            {
                "status": "firing",
                "labels": {"alertname": "channel-test", "severity": "info"},
                "annotations": {"summary": "A test of the channel. Nothing is wrong."},
                "startsAt": row.created_at.isoformat(),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": settings.PUBLIC_URL,
                "fingerprint": row.pk.hex[:16],
            }
        ]
    return {
        "version": "4",
        "groupKey": f"{row.route_id}:{row.kind}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": row.channel.name,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": settings.PUBLIC_URL,
        "alerts": rows,
    }


# ------------------------------------------------------------ the ways
def _people(row: AlertDelivery, alerts: Sequence[Alert]) -> str:
    title, body = _words(row, alerts)
    link = f"/admin/monitoring/alert/{alerts[0].pk}/change/" if alerts else "/admin/monitoring/alert/"
    told = tell_operators(f"alert.{row.kind}", title, body, link)
    return f"left for {told} people"


def _email(row: AlertDelivery, alerts: Sequence[Alert]) -> str:
    title, body = _words(row, alerts)
    return mail_to(addresses_of(row.channel), title, body, f"{row.pk.hex}@aiwriter.alerts")


def addresses_of(channel: AlertChannel) -> list[str]:
    """Whom a channel of mail goes to."""
    return [each.strip() for each in open_sealed(channel, "sealed_address").split(",")]


def mail_to(addresses: Sequence[str], title: str, body: str, message_id: str, *, html: str = "") -> str:
    """Send a mail; gives the receipt.

    Args:
        addresses: of those who get it.
        title: becomes the subject.
        body: plain text.
        message_id: the same for every try, so that a mail server or a reader sees that it is the same message.
        html: the same again, for readers that show it.

    Raises:
        OSError, SMTPException: it was not taken.
    """
    mail = EmailMultiAlternatives(
        subject=f"[AI-Writer] {title}"[:150].replace("\n", " "),
        body=body,
        to=list(addresses),
        headers={"Message-ID": f"<{message_id}>", "Auto-Submitted": "auto-generated"},
    )
    if html:
        mail.attach_alternative(html, "text/html")
    mail.send(fail_silently=False)
    return f"taken by {settings.EMAIL_HOST if 'smtp' in settings.EMAIL_BACKEND else 'the mail folder'}"


def _webhook(row: AlertDelivery, alerts: Sequence[Alert]) -> str:
    return post_to(row.channel, orjson.dumps(alertmanager_body(row, alerts)), f"alert_{row.pk.hex}")


def post_to(channel: AlertChannel, body: bytes, message_id: str) -> str:
    """Post something to a webhook, signed where the channel has a secret; gives the receipt.

    Args:
        channel: the webhook.
        body: JSON.
        message_id: the same for every try.

    Raises:
        AppError: it did not take it.
    """
    now = int(time.time())
    headers = {"webhook-id": message_id, "webhook-timestamp": str(now)}
    if channel.sealed_secret:
        secret = open_sealed(channel, "sealed_secret")
        headers["webhook-signature"] = sign(secret, message_id=message_id, timestamp=now, body=body)
    return _posted(channel, body, headers)


def _slack(row: AlertDelivery, alerts: Sequence[Alert]) -> str:
    title, body = _words(row, alerts)
    icon = "🟢" if row.kind == AlertDelivery.Kind.RESOLVED else _ICONS.get(alerts[0].severity if alerts else "info", "")
    return chat_to(row.channel, f"{icon} *{title}*\n{body}")


def chat_to(channel: AlertChannel, text: str) -> str:
    """Say something in a chat of Slack's form; gives the receipt.

    Raises:
        AppError: it did not take it.
    """
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, escaped)
    return _posted(channel, orjson.dumps({"text": text[:3500]}), {})


def _posted(channel: AlertChannel, body: bytes, headers: dict[str, str]) -> str:
    url = open_sealed(channel, "sealed_address")
    told = {"Content-Type": "application/json", "User-Agent": "AI-Writer-Alerts/1", **headers}
    try:
        answer = post(url, headers=told, content=body, timeout=TIMEOUT, beginning=_EXCERPT * 4)
    except BackendError as problem:
        # An address of a chat is a key to write there, and what is said of it may name it whole.
        raise AppError(redact(str(problem), [url])) from None
    text = redact(answer.beginning.decode("utf-8", "replace"), [url])[:_EXCERPT]
    if not 200 <= answer.status < 300:
        raise AppError(f"It answered {answer.status}: {text}")
    return f"{answer.status} {text}".strip()


_SENDERS: dict[str, Callable[[AlertDelivery, Sequence[Alert]], str]] = {
    AlertChannel.Kind.EMAIL: _email,
    AlertChannel.Kind.WEBHOOK: _webhook,
    AlertChannel.Kind.SLACK: _slack,
}


def prune_alerts() -> int:
    """Remove what is over for 90 days."""
    border = timezone.now() - KEEP
    AlertDelivery.objects.filter(created_at__lt=border).delete()
    return Alert.objects.filter(state=Alert.State.RESOLVED, resolved_at__lt=border).delete()[0]
