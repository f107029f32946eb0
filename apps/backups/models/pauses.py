"""What is paused."""

from __future__ import annotations

from django.db import models


class Pause(models.Model):
    """One row: maintenance, and what is held back after a restore. Written by `services/pauses.py` only."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    maintenance = models.BooleanField(default=False)
    message = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField(null=True, blank=True)
    restore_id = models.UUIDField(null=True, blank=True, help_text="The restore that works on the portal.")
    outside = models.BooleanField(default=False, help_text="Nothing that waits is published or sent.")
    outside_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "maintenance"
        verbose_name_plural = "maintenance"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="backup_pause_one_row")]

    def __str__(self) -> str:
        return "Maintenance"
