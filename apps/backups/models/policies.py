"""When backups are made and how long they are kept."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.backups.models.destinations import Destination


class Policy(models.Model):
    """A schedule, what is kept, and what is promised.

    `rpo_minutes` and `rto_minutes` are the promise against which every drill is held: how much work may be lost at
    most, and how long it may take until the portal serves again.
    """

    class Every(models.TextChoices):
        """How often."""

        HOUR = "hour", "Every hour"
        SIX_HOURS = "six_hours", "Every six hours"
        DAY = "day", "Every day"
        WEEK = "week", "Every week, on Monday"

    _STEP: ClassVar[dict[str, dt.timedelta]] = {
        Every.HOUR: dt.timedelta(hours=1),
        Every.SIX_HOURS: dt.timedelta(hours=6),
        Every.DAY: dt.timedelta(days=1),
        Every.WEEK: dt.timedelta(days=7),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="policies")
    enabled = models.BooleanField(default=True)
    every = models.CharField(max_length=10, choices=Every.choices, default=Every.HOUR)
    at = models.TimeField(default=dt.time(2, 30), help_text="UTC. Of an hourly schedule only the minute counts.")
    window_start = models.TimeField(
        null=True, blank=True, help_text="UTC. Scheduled backups begin only from this time on …"
    )
    window_end = models.TimeField(null=True, blank=True, help_text="… until this time.")
    bandwidth_mb = models.PositiveIntegerField(default=0, help_text="Megabytes a second at most; 0 sets no limit.")
    cpu_percent = models.PositiveIntegerField(
        default=100,
        db_default=100,
        validators=[MinValueValidator(5), MaxValueValidator(100)],
        help_text="Share of the processors that a backup may use; 100 sets no limit.",
    )
    keep_last = models.PositiveIntegerField(default=7)
    keep_hourly = models.PositiveIntegerField(default=24)
    keep_daily = models.PositiveIntegerField(default=14)
    keep_weekly = models.PositiveIntegerField(default=8)
    keep_monthly = models.PositiveIntegerField(default=12)
    keep_yearly = models.PositiveIntegerField(default=3)
    keep_days = models.PositiveIntegerField(default=2, help_text="Every set that is younger is kept.")
    keep_minimum = models.PositiveIntegerField(
        default=3, validators=[MinValueValidator(1)], help_text="So many sets stay, whatever the other rules say."
    )
    verify_percent = models.PositiveIntegerField(
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Share of the stored bytes that each run checks without a key.",
    )
    deep_days = models.PositiveIntegerField(default=30, help_text="Days between two deep checks; 0 for none.")
    drill_days = models.PositiveIntegerField(default=7, help_text="Days between two restore drills; 0 for none.")
    pitr = models.BooleanField(
        "every change",
        default=False,
        help_text="Capture every change between two backups, so that any second can be restored.",
    )
    pitr_seconds = models.PositiveIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
        help_text="A change lies in the place for backups after so many seconds, at the latest.",
    )
    pitr_days = models.PositiveIntegerField(
        default=7, validators=[MinValueValidator(1)], help_text="For so many days every second can be restored."
    )
    rpo_minutes = models.PositiveIntegerField(
        "RPO in minutes", default=120, help_text="The promise: at most so much work is lost."
    )
    rto_minutes = models.PositiveIntegerField(
        "RTO in minutes", default=60, help_text="The promise: after so long the portal serves again."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name

    @property
    def interval(self) -> dt.timedelta:
        """The time between two backups."""
        return self._STEP[self.every]
