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
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.monitoring.models import Alert, AlertChannel, AlertDelivery, AlertRoute, Severity, Silence
from apps.monitoring.services.alerting import fingerprint, tell
from apps.monitoring.services.results import node_name
from apps.monitoring.services.telling import send_now
from apps.monitoring.services.watching import Watch
from apps.users.services.notifications import tell_operators

log = logging.getLogger(__name__)

WAIT_SECONDS = 15.0
# After a failed message so long until the next, twice as long each time.
AGAIN_SECONDS, MOST_SECONDS = 2.0, 60.0
TITLE = "The database does not answer"


@dataclass(slots=True)
class Outage:
    """One fault of the database: its alert and the messages to the channels, none of them stored before it is over.

    Args:
        alert: as it will be stored, so that what a message links to is there afterwards.
        messages: by channel; the same row for every try, so that a receiver knows a message that came twice.
        next_at: when a channel that could not be told is tried again, on the clock of `time.monotonic()`.
    """

    alert: Alert
    messages: dict[Any, AlertDelivery] = field(default_factory=dict)
    next_at: dict[Any, float] = field(default_factory=dict)

    def tell(self, channel: AlertChannel) -> bool:
        """Send to a channel, unless it was told or its turn has not come. Returns whether it was told now."""
        row = self.messages.setdefault(
            channel.pk,
            AlertDelivery(
                channel=channel, kind=AlertDelivery.Kind.FIRING, created_at=self.alert.fired_at or timezone.now()
            ),
        )
        if row.state == AlertDelivery.State.DELIVERED or time.monotonic() < self.next_at.get(channel.pk, 0.0):
            return False
        receipt, error = send_now(row, [self.alert])
        row.receipt, row.error, row.finished_at = receipt[:300], error[:500], timezone.now()
        row.state = AlertDelivery.State.FAILED if error else AlertDelivery.State.DELIVERED
        self.next_at[channel.pk] = time.monotonic() + min(AGAIN_SECONDS * 2**row.attempts, MOST_SECONDS)
        row.attempts += 1
        if error:
            log.error("the channel %s could not be told that the database fails: %s", channel.name, error)
        return not error


@dataclass
class Emergency:
    """What is known without the database.

    Args:
        watch: sees whether the database answers.
        channels: who would be told.
        silences: what is kept quiet, also from when on; a planned move of the database tells nobody.
    """

    watch: Watch
    channels: list[AlertChannel] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    outage: Outage | None = None

    def learn(self) -> None:
        """Remember who would be told of something critical. Only while the database answers."""
        routes = AlertRoute.objects.filter(enabled=True, channel__enabled=True).select_related("channel")
        found = {route.channel_id: route.channel for route in routes.exclude(channel__kind=AlertChannel.Kind.PEOPLE)}
        self.channels = list(found.values())
        self.silences = list(Silence.objects.filter(ends_at__gt=timezone.now()))

    def look(self) -> bool:
        """Tell each channel once when it has failed for long enough; one that could not be told is tried again.

        Returns:
            whether somebody was told now.
        """
        turn = self.watch.turns.get("database")
        if turn is None or turn.status != "fail" or time.time() - turn.since < WAIT_SECONDS:
            return False
        if self.outage is None and time.monotonic() - self.watch.kept_at < WAIT_SECONDS:
            # It is slow, and takes rows all the same: then its alert is one, and goes the ordinary ways.
            return False
        if self.outage is None:
            self.outage = Outage(_alert(dt.datetime.fromtimestamp(turn.since, dt.UTC)))
        if any(silence.covers(self.outage.alert, timezone.now()) for silence in self.silences):
            self.outage.alert.silenced = True
            return False
        # Held here: who is still being told while it ends must not count for the next one.
        outage = self.outage
        told = [outage.tell(channel) for channel in self.channels]
        return any(told)

    def write_down(self) -> bool:
        """Once it answers again: keep what happened, and tell the end. Returns whether there was something."""
        turn, outage = self.watch.turns.get("database"), self.outage
        if outage is None or turn is None or turn.status == "fail":
            return False
        now, alert = timezone.now(), outage.alert
        with transaction.atomic():
            alert.save(force_insert=True)
            # In the row alone: should this be rolled back, the alert in memory still fires.
            Alert.objects.filter(pk=alert.pk).update(state=Alert.State.RESOLVED, resolved_at=now)
            there = set(AlertChannel.objects.values_list("pk", flat=True))
            for row in list(outage.messages.values()):
                # Another machine may have removed the channel meanwhile.
                if row.channel_id in there:
                    row.save(force_insert=True)
                    row.alerts.add(alert)
            seconds = (now - alert.begun_at).total_seconds()
            tell_operators(
                "alert.database",
                f"The database did not answer for {seconds:.0f} seconds.",
                f"From {alert.begun_at:%H:%M:%S} to {now:%H:%M:%S} UTC, seen from {alert.subject}. It answers again.",
                f"/admin/monitoring/alert/{alert.pk}/change/",
            )
            if outage.messages or not alert.silenced:
                tell(alert, AlertDelivery.Kind.RESOLVED, now)
        self.outage = None
        return True


def _alert(began: dt.datetime) -> Alert:
    node = node_name()
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
