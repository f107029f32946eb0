"""Alerts: what is judged (rules), what was found (alerts), and what is kept quiet (silences)."""

from __future__ import annotations

import datetime as dt

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from aiwriter.core.ids import uuid7

# A rule that nobody has seen arrive for so long is not known to work.
PROOF_LASTS = dt.timedelta(days=90)
LONGEST_SILENCE = dt.timedelta(days=7)
_DAY_SECONDS = 86400


class Severity(models.TextChoices):
    """How soon somebody has to look."""

    INFO = "info", "Information"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"

    @property
    def rank(self) -> int:
        """The higher, the sooner."""
        return list(Severity).index(self)


class AlertRule(models.Model):
    """What is judged, and how long it has to be wrong before somebody is told."""

    class Source(models.TextChoices):
        """What it looks at."""

        CHECK = "check", "Health check"
        FIGURE = "figure", "Figure over time"
        EVENT = "event", "Audit events"
        BURN = "burn", "Error budget of an objective"
        RUN = "run", "Heartbeat from outside"

    class Combine(models.TextChoices):
        """What becomes of the minutes of a figure."""

        MEAN = "mean", "Mean"
        SUM = "sum", "Sum"
        HIGHEST = "highest", "Highest"
        LOWEST = "lowest", "Lowest"

    class Compare(models.TextChoices):
        """Which side is wrong."""

        ABOVE = "above", "Above"
        BELOW = "below", "Below"

    class NoData(models.TextChoices):
        """What it means that nothing is known."""

        OK = "ok", "All is well"
        KEEP = "keep", "As before"
        ALERT = "alert", "Tell somebody"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.WARNING)
    source = models.CharField(max_length=8, choices=Source.choices)
    subject = models.CharField(
        max_length=120,
        blank=True,
        help_text="Key of the check, name of the objective or heartbeat (empty: each), name of the figure, audit action.",
    )
    label = models.CharField(max_length=160, blank=True, help_text="Of a figure: of this only. Empty: each by itself.")
    level = models.CharField(
        max_length=4,
        choices=[("warn", "Warning or failing"), ("fail", "Failing"), ("none", "Only silence counts")],
        default="fail",
        help_text="Of a check: what counts as wrong.",
    )
    combine = models.CharField(max_length=8, choices=Combine.choices, default=Combine.MEAN)
    compare = models.CharField(max_length=6, choices=Compare.choices, default=Compare.ABOVE)
    threshold = models.FloatField(default=0.0)
    window_minutes = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(4320)]
    )
    for_seconds = models.PositiveIntegerField(
        "for (seconds)", default=0, validators=[MaxValueValidator(_DAY_SECONDS)], help_text="Wrong for so long on end."
    )
    keep_firing_seconds = models.PositiveIntegerField(
        "keep firing (seconds)", default=30, validators=[MaxValueValidator(_DAY_SECONDS)]
    )
    needed = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="Of the last looks so many wrong.",
    )
    of_last = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(20)])
    no_data = models.CharField(max_length=5, choices=NoData.choices, default=NoData.OK)
    no_data_seconds = models.PositiveIntegerField(default=300, validators=[MaxValueValidator(_DAY_SECONDS)])
    runbook = models.CharField(max_length=120, blank=True, help_text="Page below docs/.")
    enabled = models.BooleanField(default=True)
    built_in = models.BooleanField(default=False, editable=False)
    proven_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["slug"]
        verbose_name = "alert rule"
        constraints = [
            models.CheckConstraint(
                condition=Q(needed__lte=F("of_last")),
                name="alert_rule_needed_of_last",
                violation_error_message="Not more can be needed than there are looks.",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_proven(self) -> bool:
        """Whether it was seen to arrive within the last 90 days."""
        return self.proven_at is not None and self.proven_at > timezone.now() - PROOF_LASTS


class Alert(models.Model):
    """Something is wrong, or was. Of each rule and subject at most one is open."""

    OPEN_STATES = ("pending", "firing")

    class State(models.TextChoices):
        """How far it is."""

        PENDING = "pending", "Perhaps"
        FIRING = "firing", "Firing"
        RESOLVED = "resolved", "Over"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.ForeignKey(AlertRule, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    fingerprint = models.CharField(max_length=64, help_text="The same for the same trouble.")
    title = models.CharField(max_length=200)
    subject = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    summary = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    value = models.FloatField(null=True, blank=True)
    looks = models.CharField(max_length=20, blank=True, editable=False, help_text="1 wrong, 0 right; newest last.")
    begun_at = models.DateTimeField(default=timezone.now)
    fired_at = models.DateTimeField(null=True, blank=True)
    right_since = models.DateTimeField(null=True, blank=True, editable=False)
    silent_since = models.DateTimeField(null=True, blank=True, editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=254, blank=True)
    drill = models.BooleanField(default=False)
    external = models.BooleanField(default=False, help_text="It came through the webhook.")
    silenced = models.BooleanField(default=False)
    link = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-begun_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint"], condition=Q(state__in=("pending", "firing")), name="alert_open_once"
            )
        ]
        indexes = [models.Index(fields=["state", "-begun_at"], name="alert_state_newest")]

    def __str__(self) -> str:
        return self.title


class Silence(models.Model):
    """For how long, and why, somebody does not want to be told. A maintenance window is one that was planned."""

    class Kind(models.TextChoices):
        """Why."""

        SILENCE = "silence", "Silence"
        MAINTENANCE = "maintenance", "Maintenance"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=11, choices=Kind.choices, default=Kind.SILENCE)
    rule = models.ForeignKey(
        AlertRule, null=True, blank=True, on_delete=models.CASCADE, related_name="silences", help_text="Empty: all."
    )
    subject = models.CharField(max_length=200, blank=True, help_text="Only what contains this. Empty: everything.")
    reason = models.CharField(max_length=300)
    announcement = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="What the public status page says of a maintenance window, from three days before. Empty: nothing.",
    )
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    author = models.CharField(max_length=254, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-ends_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="silence_ends_later",
                violation_error_message="It has to end after it begins.",
            )
        ]

    def __str__(self) -> str:
        return self.reason

    def covers(self, alert: Alert, now: dt.datetime) -> bool:
        """Whether it keeps an alert quiet at a time."""
        return (
            self.starts_at <= now < self.ends_at
            and self.rule_id in (None, alert.rule_id)
            and self.subject.lower() in f"{alert.title} {alert.subject}".lower()
        )


class Leadership(models.Model):
    """Which of several watches does what only one may do."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=120)
    until = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
