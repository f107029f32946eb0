"""What the checks found."""

from __future__ import annotations

from itertools import pairwise

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7

# 21 results have 20 changes between them; fewer results count as if the missing ones had been quiet.
RECENT = 21
_CHANGES = RECENT - 1


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
    recent = models.CharField(
        max_length=21, blank=True, help_text="First letters of the last 21 statuses, oldest first."
    )
    overruns = models.PositiveSmallIntegerField(default=0, help_text="Deadlines that it missed in a row.")
    quarantined_until = models.DateTimeField(null=True, blank=True, help_text="It is not run before.")
    run_requested_at = models.DateTimeField(null=True, blank=True, editable=False)

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

    @property
    def flap_score(self) -> int:
        """How restless it is: 0 never changed within the last 21 results, 100 changed each time; newer weigh more."""
        changes = [a != b for a, b in pairwise(self.recent)]
        if not changes:
            return 0
        # From 0.8 for the oldest change to 1.2 for the newest, as Nagios does it.
        weights = [0.8 + 0.4 * index / max(len(changes) - 1, 1) for index in range(len(changes))]
        return round(100 * sum(w for w, changed in zip(weights, changes, strict=True) if changed) / _CHANGES)


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


class CheckDay(models.Model):
    """How long a check was in each status on a day (UTC). Seconds nobody looked in are in none."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=60)
    node = models.CharField(max_length=120)
    day = models.DateField()
    ok_seconds = models.PositiveIntegerField(default=0)
    warn_seconds = models.PositiveIntegerField(default=0)
    fail_seconds = models.PositiveIntegerField(default=0)
    unknown_seconds = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-day", "key", "node"]
        constraints = [models.UniqueConstraint(fields=["key", "node", "day"], name="check_day_once")]
        indexes = [models.Index(fields=["day"], name="check_day_age")]

    def __str__(self) -> str:
        return f"{self.key} on {self.day}"


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
