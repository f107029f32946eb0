"""What waits to go outside: told after a restore, and thrown away when somebody says so."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.content.models import Publication, Schedule, WebhookDelivery
from apps.content.services.releasing import unschedule
from apps.users.selectors.access import Actor

_SHOWN = 5


def waiting() -> list[dict[str, Any]]:
    """Counts by kind, and some examples that tell nothing of what people wrote."""
    publications = Publication.objects.filter(state__in=("queued", "running")).select_related("target")
    schedules = Schedule.objects.filter(state="queued", publish_at__lte=timezone.now())
    deliveries = WebhookDelivery.objects.filter(state__in=("queued", "running"))
    return [
        {
            "kind": "publications",
            "title": _("Publications on their way to places outside"),
            "count": publications.count(),
            "examples": tuple(row.target.name for row in publications[:_SHOWN]),
        },
        {
            "kind": "schedules",
            "title": _("Documents whose time to be published has come"),
            "count": schedules.count(),
            "examples": tuple(f"{row.publish_at:%Y-%m-%d %H:%M} UTC" for row in schedules[:_SHOWN]),
        },
        {
            "kind": "webhooks",
            "title": _("Messages to webhooks"),
            "count": deliveries.count(),
            "examples": tuple(row.event for row in deliveries[:_SHOWN]),
        },
    ]


def discard() -> int:
    """Throw away what `waiting` counts. Documents stay as they are; whoever wants it sends them again.

    Returns:
        how many.
    """
    now = timezone.now()
    why = _("It was thrown away after a restore.")
    gone = Publication.objects.filter(state__in=("queued", "running")).update(
        state=Publication.State.FAILED, error=why, remedy=_("Publish it again."), lease_until=None, finished_at=now
    )
    gone += WebhookDelivery.objects.filter(state__in=("queued", "running")).update(
        state=WebhookDelivery.State.FAILED, error=why, lease_until=None, finished_at=now
    )
    actor = Actor.system_actor("restore")
    for document_id in Schedule.objects.filter(state="queued", publish_at__lte=now).values_list(
        "document_id", flat=True
    ):
        unschedule(actor=actor, document_id=document_id)
        gone += 1
    return gone
