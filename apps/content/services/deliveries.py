"""Telling the programs of a workspace what has happened: signed, repeated for about a day, never to a private address.

Events come from where things happen: services call `emit`, and what is written to the audit comes through
`on_audit` (`AUDIT_LISTENERS`). Rows are made in the transaction of the act, so an event is told if and only if it was.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.egress import post
from aiwriter.core.errors import AppError
from aiwriter.core.queue import enqueue
from aiwriter.core.redact import redact
from aiwriter.core.signatures import sign
from aiwriter_sdk import BackendError
from apps.content.models import Document, WebhookDelivery, WebhookEndpoint
from apps.users.models import AuditEvent
from apps.users.services.notifications import notify
from apps.users.services.sealing import open_sealed

logger = logging.getLogger(__name__)

EVENTS: Mapping[str, str] = {
    "document.created": "A document was created",
    "document.updated": "The text of a document changed",
    "document.deleted": "A document was put into the bin",
    "document.restored": "A document was taken out of the bin",
    "document.status_changed": "A document got another status",
    "document.published": "A document was published",
    "publication.finished": "A document arrived at a place outside, or was taken down there",
    "publication.failed": "A document could not be published",
    "generation.finished": "A generation ended",
    "review.requested": "Somebody was asked for a review",
    "review.approved": "A review approved a text",
    "review.changes_requested": "A review asked for changes",
    "review.cancelled": "A request for a review was taken back",
    "comment.created": "Somebody commented",
    "batch.finished": "A batch ended",
    "import.finished": "An import ended",
}
PING = "ping"
# Audit actions that are events under another name.
_FROM_AUDIT = {
    "document.submitted": "document.status_changed",
    "document.approved": "document.status_changed",
    "document.scheduled": "document.status_changed",
    "document.unscheduled": "document.status_changed",
    "document.unpublished": "document.status_changed",
    "document.archived": "document.status_changed",
    "document.returned": "document.status_changed",
    "document.reopened": "document.status_changed",
}
# After each failed try, as Standard Webhooks proposes: about 28 hours in all.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
TIMEOUT = 15.0
LEASE = dt.timedelta(seconds=60)
PATIENCE = dt.timedelta(seconds=10)
# Somebody types: one message for what was saved within this time.
GATHER = dt.timedelta(seconds=30)
GIVE_UP = dt.timedelta(days=3)
KEEP = dt.timedelta(days=30)
_EXCERPT = 1000


def emit(workspace_id: uuid.UUID | None, event: str, data: Mapping[str, Any], *, subject: str = "") -> int:
    """Tell all endpoints of a workspace that want to know, once the transaction has committed.

    Args:
        workspace_id: where it happened.
        event: one of `EVENTS`.
        data: ids and short facts, never a document's text.
        subject: repeated events of one subject that still wait become one message.

    Returns:
        how many messages there will be.
    """
    if workspace_id is None:
        return 0
    endpoints = WebhookEndpoint.objects.filter(workspace_id=workspace_id, enabled=True)
    wanted = [endpoint for endpoint in endpoints if not endpoint.events or event in endpoint.events]
    made = 0
    for endpoint in wanted:
        waiting = WebhookDelivery.objects.filter(
            endpoint=endpoint, event=event, subject=subject, state=WebhookDelivery.State.QUEUED, attempts=0
        )
        if subject and waiting.exists():
            waiting.update(payload=_payload(event, data))
            continue
        deliver(endpoint, event, data, subject=subject, after=GATHER if subject else dt.timedelta(0))
        made += 1
    return made


def deliver(
    endpoint: WebhookEndpoint,
    event: str,
    data: Mapping[str, Any],
    *,
    subject: str = "",
    after: dt.timedelta = dt.timedelta(0),
    repeats: WebhookDelivery | None = None,
) -> WebhookDelivery:
    """Put one message into the queue.

    Args:
        endpoint: to whom.
        event: what.
        data: as for `emit`.
        subject: as for `emit`.
        after: not before this has passed.
        repeats: the message of the log that this one sends again.
    """
    row = WebhookDelivery.objects.create(
        endpoint=endpoint,
        event=event,
        subject=subject,
        payload=_payload(event, data),
        next_try_at=timezone.now() + after,
        repeats=repeats,
    )
    if not after:
        enqueue("content.deliver_webhook", delivery_id=str(row.pk))
    return row


def on_audit(event: AuditEvent, obj: object) -> None:
    """What is written to the audit is told too, where it is one of `EVENTS`. Called in the transaction of the act.

    Args:
        event: as it was written.
        obj: the row that it was done to.
    """
    name = event.action if event.action in EVENTS else _FROM_AUDIT.get(event.action, "")
    if name and event.outcome == "allowed":
        after = event.after if isinstance(event.after, dict) else {}
        facts = {key: value for key, value in after.items() if isinstance(value, str | int | bool)}
        emit(event.workspace_id, name, {**facts, **facts_of(obj), "action": event.action})


def document_facts(document: Document) -> dict[str, Any]:
    """What a message tells about a document."""
    return {
        "document_id": str(document.pk),
        "title": document.title,
        "kind": document.kind,
        "status": document.status,
        "revision": document.revision,
        "url": f"/api/v1/content/{document.pk}",
    }


def facts_of(obj: object) -> dict[str, Any]:
    """The ids of a row and of the document that it belongs to."""
    if isinstance(obj, Document):
        return document_facts(obj)
    facts: dict[str, Any] = {"object": type(obj).__name__.lower(), "id": str(getattr(obj, "pk", ""))}
    document = getattr(obj, "document", None)
    return facts | (document_facts(document) if isinstance(document, Document) else {})


def sweep_deliveries(limit: int = 200) -> int:
    """Wake what is due: its pause is over, or its message or worker was lost.

    Returns:
        how many.
    """
    now = timezone.now()
    due = WebhookDelivery.objects.claimable().filter(next_try_at__lte=now, queued_at__lt=now - PATIENCE)
    ids = list(due.order_by("next_try_at").values_list("pk", flat=True)[:limit])
    for each in ids:
        enqueue("content.deliver_webhook", delivery_id=str(each))
    return len(ids)


def prune_deliveries() -> int:
    """Remove messages of the log that are a month old.

    Returns:
        how many.
    """
    return WebhookDelivery.objects.filter(created_at__lt=timezone.now() - KEEP).delete()[0]


def run_delivery(delivery_id: uuid.UUID) -> None:
    """Send a message. Quiet when it is sent, not due, or somebody else is at it."""
    if not WebhookDelivery.objects.filter(pk=delivery_id, next_try_at__lte=timezone.now()).exists():
        return
    fence = WebhookDelivery.objects.claim(delivery_id, lease=LEASE, to_state=WebhookDelivery.State.RUNNING)
    if fence is None:
        return
    row = WebhookDelivery.objects.select_related("endpoint").get(pk=delivery_id)
    held = WebhookDelivery.objects.held(delivery_id, fence=fence)
    if not row.endpoint.enabled and row.event != PING:
        held.update(state=WebhookDelivery.State.FAILED, lease_until=None, error=_("The webhook is switched off."))
        return
    begun = time.monotonic()
    status, excerpt, error, wait = _send(row)
    took = round((time.monotonic() - begun) * 1000)
    _settle(row, held, status=status, excerpt=excerpt, error=error, took=took, wait=wait)


def _send(row: WebhookDelivery) -> tuple[int | None, str, str, float]:
    """Status, excerpt of the answer, what went wrong, and the seconds that the receiver asks us to wait."""
    try:
        secrets = _secrets(row.endpoint)
        body = orjson.dumps(row.payload)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "AI-Writer-Webhooks/1",
            **_signed(row, body, secrets),
        }
        answer = post(row.endpoint.url, headers=headers, content=body, timeout=TIMEOUT, beginning=_EXCERPT * 4)
    except (BackendError, AppError) as error:
        return None, "", error.message, 0.0
    except Exception:
        logger.exception("Webhook %s could not be sent", row.pk)
        return None, "", _("Something went wrong on the server."), 0.0
    text = redact(answer.beginning.decode("utf-8", "replace"))
    for secret in secrets:
        text = text.replace(secret, "***")
    status = answer.status
    problem = "" if 200 <= status < 300 else _("The receiver answered %(status)s.") % {"status": status}
    return status, text[:_EXCERPT], problem, answer.wait


def _secrets(endpoint: WebhookEndpoint) -> list[str]:
    found = [open_sealed(endpoint, "sealed_secret")]
    if endpoint.sealed_previous and endpoint.previous_until and endpoint.previous_until > timezone.now():
        found.append(open_sealed(endpoint, "sealed_previous"))
    return found


def _signed(row: WebhookDelivery, body: bytes, secrets: list[str]) -> dict[str, str]:
    now = int(time.time())
    signatures = [sign(secret, message_id=row.message_id, timestamp=now, body=body) for secret in secrets]
    return {
        "webhook-id": row.message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(signatures),
    }


def _settle(
    row: WebhookDelivery,
    held: QuerySet[WebhookDelivery],
    *,
    status: int | None,
    excerpt: str,
    error: str,
    took: int,
    wait: float,
) -> None:
    now = timezone.now()
    one = {"at": now.isoformat(), "status": status, "ms": took, "error": error[:300]}
    fields: dict[str, Any] = {
        "lease_until": None,
        "response_status": status,
        "response_excerpt": excerpt,
        "error": error,
        "duration_ms": took,
        "tries": [*row.tries, one][-12:],
        "finished_at": now,
    }
    if not error:
        fields["state"] = WebhookDelivery.State.DELIVERED
    elif row.attempts <= len(PAUSES) and status != 410:
        pause = max(PAUSES[row.attempts - 1], min(wait, PAUSES[-1]))
        fields |= {"state": WebhookDelivery.State.QUEUED, "next_try_at": now + dt.timedelta(seconds=pause)}
    else:
        fields["state"] = WebhookDelivery.State.FAILED
    if not held.update(**fields):
        return
    if not error:
        WebhookEndpoint.objects.filter(pk=row.endpoint_id).update(failing_since=None)
    else:
        _note_failure(row.endpoint, gone=status == 410)


def _note_failure(endpoint: WebhookEndpoint, *, gone: bool) -> None:
    """Remember since when nothing arrives; after three days, or when the receiver says "gone", stop and tell somebody."""
    now = timezone.now()
    WebhookEndpoint.objects.filter(pk=endpoint.pk, failing_since=None).update(failing_since=now)
    endpoint.refresh_from_db()
    since = endpoint.failing_since or now
    if not endpoint.enabled or not (gone or now - since > GIVE_UP):
        return
    reason = _("The receiver says that the address is gone.") if gone else _("Nothing has arrived for three days.")
    changed = WebhookEndpoint.objects.filter(pk=endpoint.pk, enabled=True).update(
        enabled=False, disabled_reason=reason, updated_at=F("updated_at")
    )
    if changed and endpoint.created_by is not None:
        title = _("The webhook “%(name)s” was switched off.") % {"name": endpoint.name}
        notify(endpoint.created_by, "webhook.disabled", title, reason, reverse("content:webhook", args=[endpoint.pk]))


def _payload(event: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": event, "timestamp": timezone.now().isoformat(), "data": dict(data)}
