"""What accounts did that they do not usually do. Findings for auditors; nothing is blocked by itself."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class Anomaly(models.Model):
    """An account did unusually much of something, or something at an unusual place or time."""

    class Kind(models.TextChoices):
        """What was unusual."""

        DOWNLOADS = "downloads", "Downloads and exports"
        DENIED = "denied", "Refused attempts"
        COST = "cost", "Cost of generated text"
        PLACE = "place", "New network and new device"
        PRIVILEGED = "privileged", "Privileged acts outside of the usual hours"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    user_id = models.UUIDField()
    begins_at = models.DateTimeField(help_text="Begin of the part of the day that is judged.")
    value = models.FloatField()
    usual = models.FloatField(help_text="The median of the same parts of the last 28 days.")
    score = models.FloatField(help_text="How many robust deviations it lies above.")
    found_at = models.DateTimeField(default=timezone.now)
    seen_by = models.CharField(max_length=254, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True, help_text="What it turned out to be.")

    class Meta:
        ordering = ["-found_at", "-id"]
        verbose_name = "unusual activity"
        verbose_name_plural = "unusual activity"
        constraints = [models.UniqueConstraint(fields=["kind", "user_id", "begins_at"], name="anomaly_once")]

    def __str__(self) -> str:
        return self.get_kind_display()
