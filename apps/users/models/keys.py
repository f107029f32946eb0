"""What the database knows of the keyring: ids, states and dates, never a key. And the jobs that seal things anew."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.keyring import PURPOSES, State
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class KeyRecord(models.Model):
    """A key that this database has been used with. A start without a key that is needed is refused by these rows."""

    id = models.CharField(max_length=16, primary_key=True)
    purpose = models.CharField(max_length=12, choices=[(name, name) for name in PURPOSES])
    state = models.CharField(max_length=12, choices=[(state.value, state.value) for state in State])
    rotate_by = models.DateField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "key"

    def __str__(self) -> str:
        return f"{self.purpose} {self.id}"


class Rewrap(LeasedJob):
    """Sealing everything with the present key of its purpose; the row is also the job. It goes on where it was left."""

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"

    FINAL_STATES = (State.SUCCEEDED, State.FAILED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    place = models.CharField(max_length=80, blank=True, help_text="Which kind of secret is at work.")
    cursor = models.CharField(max_length=200, blank=True, editable=False)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    problems = models.JSONField(default=list, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "move to the present keys"
        verbose_name_plural = "moves to the present keys"

    def __str__(self) -> str:
        return f"{self.get_state_display()}, {self.done} of {self.total}"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in self.FINAL_STATES

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return min(100, round(100 * self.done / self.total)) if self.total else 0
