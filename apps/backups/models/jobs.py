"""What runs, drills and restores have in common: leased jobs with progress, a log and a stop."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob


class RecoveryJob(LeasedJob):
    """A row that a child process of the worker carries out."""

    FINAL_STATES: ClassVar[tuple[str, ...]] = ("succeeded", "failed", "stopped")

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    class Trigger(models.TextChoices):
        """Who wanted it."""

        SCHEDULE = "schedule", "Schedule"
        PERSON = "person", "Person"
        COMMAND = "command", "Command line"
        RESTORE = "restore", "Before a restore"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.PERSON)
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    phase = models.CharField(max_length=60, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    log = models.TextField(blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    exit_code = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in self.FINAL_STATES

    @property
    def percent(self) -> int:
        """How much of the present phase is done."""
        return min(100, round(100 * self.done / self.total)) if self.total else 0
