"""What the checks found."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class Status(models.TextChoices):
    """What a check says."""

    OK = "ok", "OK"
    WARN = "warn", "Warning"
    FAIL = "fail", "Failing"
    UNKNOWN = "unknown", "Unknown"


class CheckResult(models.Model):
    """The newest result of a check on a machine. After `valid_until` it says nothing any more, least of all "ok"."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(max_length=60)
    node = models.CharField(max_length=120)
    status = models.CharField(max_length=8, choices=Status.choices)
    message = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    latency_ms = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(default=timezone.now, help_text="When it took on its present status.")
    checked_at = models.DateTimeField(default=timezone.now)
    valid_until = models.DateTimeField()

    class Meta:
        ordering = ["key", "node"]
        verbose_name = "check result"
        constraints = [models.UniqueConstraint(fields=["key", "node"], name="check_result_newest")]

    def __str__(self) -> str:
        return f"{self.key} on {self.node}: {self.status}"

    @property
    def expired(self) -> bool:
        """Whether it is too old to be believed."""
        return self.valid_until < timezone.now()

    @property
    def effective_status(self) -> str:
        """The status that counts now."""
        return Status.UNKNOWN if self.expired else self.status


class CheckHistory(models.Model):
    """A short past of each check, for the console's plots."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=60)
    node = models.CharField(max_length=120)
    status = models.CharField(max_length=8, choices=Status.choices)
    message = models.TextField(blank=True)
    latency_ms = models.PositiveIntegerField(default=0)
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-checked_at", "-id"]
        verbose_name_plural = "check history"
        indexes = [
            models.Index(fields=["key", "-checked_at"], name="check_history_of_key"),
            models.Index(fields=["checked_at"], name="check_history_age"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.status}"


class Heartbeat(models.Model):
    """The last sign of life of a part of the portal on a machine."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    part = models.CharField(max_length=40, help_text="worker or scheduler")
    node = models.CharField(max_length=120)
    beat_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["part", "node"]
        constraints = [models.UniqueConstraint(fields=["part", "node"], name="heartbeat_once")]

    def __str__(self) -> str:
        return f"{self.part} on {self.node}"
