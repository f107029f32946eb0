"""Telling somebody that the database does not answer, without the database.

Rules, routes and deliveries are rows; while the database is frozen none can be read or written. So the watch keeps the
channels in its memory, and when the database has failed for a while it sends one message straight to them. What was told
is written down as soon as the database answers again, and its end is told along the ordinary routes.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from apps.monitoring.models import Alert, AlertChannel, AlertDelivery, AlertRoute, Severity
from apps.monitoring.services.alerting import fingerprint, tell
from apps.monitoring.services.results import node_name
from apps.monitoring.services.telling import send_now
from apps.monitoring.services.watching import Watch
from apps.users.services.notifications import tell_operators

log = logging.getLogger(__name__)

WAIT_SECONDS = 15.0
# After a failed message so long until the next, twice as long each time.
AGAIN_SECONDS, MOST_SECONDS = 2.0, 60.0
_FAILED = "failed: "
TITLE = "The database does not answer"


@dataclass
class Emergency:
    """What is known without the database.

    Args:
        watch: sees whether the database answers.
    """

    watch: Watch
    channels: list[AlertChannel] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    next_at: dict[str, float] = field(default_factory=dict)
    began: dt.datetime | None = None

    def learn(self) -> None:
        """Remember who would be told of something critical. Only while the database answers."""
        routes = AlertRoute.objects.filter(enabled=True, channel__enabled=True).select_related("channel")
        self.channels = list({route.channel_id: route.channel for route in routes}.values())

    def look(self) -> bool:
        """Tell each channel once when it has failed for long enough; one that could not be told is tried again.

        Returns:
            whether somebody was told now.
        """
        turn = self.watch.turns.get("database")
        if turn is None or turn.status != "fail" or time.time() - turn.since < WAIT_SECONDS:
            return False
        if self.began is None:
            self.began = dt.datetime.fromtimestamp(turn.since, dt.UTC)
        told = [self._tell(channel) for channel in self.channels if channel.kind != AlertChannel.Kind.PEOPLE]
        return any(told)

    def _tell(self, channel: AlertChannel) -> bool:
        key = str(channel.pk)
        tried = self.tries.get(key, 0)
        if (tried and not self.receipts[key].startswith(_FAILED)) or time.monotonic() < self.next_at.get(key, 0.0):
            return False
        receipt, error = send_now(AlertDelivery(channel=channel, kind=AlertDelivery.Kind.FIRING), [self._alert()])
        self.receipts[key] = receipt or f"{_FAILED}{error}"
        self.tries[key] = tried + 1
        self.next_at[key] = time.monotonic() + min(AGAIN_SECONDS * 2**tried, MOST_SECONDS)
        if error:
            log.error("the channel %s could not be told that the database fails: %s", channel.name, error)
        return not error

    def write_down(self) -> bool:
        """Once it answers again: keep what happened, and tell the end. Returns whether there was something."""
        turn = self.watch.turns.get("database")
        if self.began is None or turn is None or turn.status == "fail":
            return False
        now, told_at = timezone.now(), self.began + dt.timedelta(seconds=WAIT_SECONDS)
        with transaction.atomic():
            alert = self._alert()
            alert.state, alert.resolved_at = Alert.State.RESOLVED, now
            alert.save(force_insert=True)
            for key, receipt in self.receipts.items():
                wrong = receipt.startswith(_FAILED)
                row = AlertDelivery.objects.create(
                    channel_id=key,
                    kind=AlertDelivery.Kind.FIRING,
                    state=AlertDelivery.State.FAILED if wrong else AlertDelivery.State.DELIVERED,
                    receipt="" if wrong else receipt[:300],
                    error=receipt[:500] if wrong else "",
                    created_at=told_at,
                    finished_at=told_at,
                )
                row.alerts.add(alert)
            seconds = (now - self.began).total_seconds()
            tell_operators(
                "alert.database",
                f"The database did not answer for {seconds:.0f} seconds.",
                f"From {self.began:%H:%M:%S} to {now:%H:%M:%S} UTC, seen from {alert.subject}. It answers again.",
                f"/admin/monitoring/alert/{alert.pk}/change/",
            )
            tell(alert, AlertDelivery.Kind.RESOLVED, now)
        self.began = None
        for kept in (self.receipts, self.tries, self.next_at):
            kept.clear()
        return True

    def _alert(self) -> Alert:
        node = node_name()
        began = self.began or timezone.now()
        return Alert(
            fingerprint=fingerprint(None, node, TITLE),
            title=TITLE,
            subject=node,
            severity=Severity.CRITICAL,
            state=Alert.State.FIRING,
            summary=f"No query has been answered since {began:%H:%M:%S} UTC; the portal on {node} is not ready.",
            remedy="Look at the database server, its disk and its connections.",
            begun_at=began,
            fired_at=began + dt.timedelta(seconds=WAIT_SECONDS),
        )
