"""Makes checks say something, and lets alerts fire and arrive."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from apps.monitoring.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    CheckResult,
)
from apps.monitoring.services import channels, telling
from apps.monitoring.services.alerting import evaluate
from tests.factories.monitoring import SETUP

NOW = timezone.now().replace(microsecond=0)


def after(seconds: float) -> dt.datetime:
    """A moment so long after the tests began."""
    return NOW + dt.timedelta(seconds=seconds)


def says(key: str, status: str, *, node: str = "here", lasts: float = 3600) -> CheckResult:
    """Let a check have found something."""
    row, _ = CheckResult.objects.update_or_create(
        key=key,
        node=node,
        defaults={"status": status, "message": f"{key} is {status}", "valid_until": after(lasts), "remedy": "mend it"},
    )
    return row


def arrive() -> int:
    """Send everything that waits, whatever it still gathers."""
    AlertDelivery.objects.filter(state="queued").update(next_try_at=NOW - dt.timedelta(seconds=1))
    return telling.deliver_due()


def channel(kind: str, address: str, **more: Any) -> AlertChannel:
    """A channel with a route that takes warnings."""
    made = channels.create_channel(actor=SETUP, name=kind, kind=kind, address=address, **more)
    channels.create_route(actor=SETUP, channel_id=made.pk)
    return made


def fire() -> Alert:
    """Let one alert fire."""
    says("mail", "fail")
    for second in (0, 10):
        evaluate(now=after(second))
    return Alert.objects.get(state="firing", drill=False)
