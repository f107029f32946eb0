"""Who is told of alerts: channels, routes to them, and every telling."""

from __future__ import annotations

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet
from apps.monitoring.models.alerts import Alert, Severity


class AlertChannel(models.Model):
    """A way to tell somebody. The address is sealed: an address of a chat is a key to write there."""

    class Kind(models.TextChoices):
        """What is at the other end."""

        PEOPLE = "people", "Operators, in the portal"
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook (as Alertmanager sends it)"
        SLACK = "slack", "Chat (Slack's form: Mattermost, Rocket.Chat …)"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    sealed_address = models.TextField(blank=True, editable=False)
    address_hint = models.CharField(max_length=120, blank=True, editable=False)
    sealed_secret = models.TextField(blank=True, editable=False, help_text="Signs webhooks.")
    enabled = models.BooleanField(default=True)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    last_delivered_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "alert channel"

    def __str__(self) -> str:
        return self.name


class AlertRoute(models.Model):
    """Which alerts go to which channel, gathered and repeated how."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="routes")
    least_severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.WARNING)
    rules = models.CharField(
        max_length=200, blank=True, help_text="Short names of rules with * and ?, comma separated. Empty: all."
    )
    gather_seconds = models.PositiveSmallIntegerField(
        default=5,
        validators=[MaxValueValidator(600)],
        help_text="What fires within this time of the first goes into one message.",
    )
    repeat_hours = models.PositiveSmallIntegerField(
        default=12, validators=[MaxValueValidator(168)], help_text="Told again while it lasts. 0: never."
    )
    tell_end = models.BooleanField("tell when it is over", default=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name = "alert route"

    def __str__(self) -> str:
        return f"{self.get_least_severity_display()} → {self.channel}"


class AlertDelivery(LeasedJob):
    """One message to one channel; the row is also the job that sends it."""

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Being sent"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    class Kind(models.TextChoices):
        """What it says."""

        FIRING = "firing", "Something is wrong"
        RESOLVED = "resolved", "It is over"
        TEST = "test", "A test of the channel"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    route = models.ForeignKey(AlertRoute, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    alerts = models.ManyToManyField(Alert, related_name="deliveries", blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    next_try_at = models.DateTimeField(default=timezone.now)
    receipt = models.CharField(max_length=300, blank=True, help_text="What the other end said.")
    error = models.CharField(max_length=500, blank=True)
    tries = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "alert delivery"
        verbose_name_plural = "alert deliveries"
        indexes = [models.Index(fields=["state", "next_try_at"], name="alert_delivery_due")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} → {self.channel}"
