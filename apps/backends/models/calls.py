"""The record of model calls: one row for each attempt."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.backends.models.profiles import BackendProfile


class ModelCallQuerySet(models.QuerySet["ModelCall"]):
    """The questions that billing asks."""

    def of_subject(self, subject: str) -> Self:
        """All attempts for one thing, oldest first."""
        return self.filter(subject=subject).order_by("number")

    def running(self) -> Self:
        """Attempts that nobody has settled."""
        return self.filter(state=ModelCall.State.RUNNING)


class ModelCall(models.Model):
    """One attempt to have a model write or embed.

    The row is written before the provider is asked, so a process that is killed leaves a running row behind, and
    whoever comes next settles it: the conditional update from `running` is what makes it exactly once. Names and ids
    are plain values: the record outlives profiles, people and workspaces.
    """

    class State(models.TextChoices):
        """How far the attempt is."""

        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"
        ABANDONED = "abandoned", "Abandoned"

    class UsageSource(models.TextChoices):
        """Who counted the tokens."""

        PROVIDER = "provider", "Provider"
        COUNTED = "counted", "Counted here"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=80, help_text="What it was for, generation:<id> for example.")
    number = models.PositiveIntegerField(default=1)
    purpose = models.CharField(max_length=10)
    workspace_id = models.UUIDField(null=True, blank=True)
    user_id = models.UUIDField(null=True, blank=True)
    token_id = models.UUIDField(null=True, blank=True)
    profile = models.ForeignKey(
        BackendProfile, null=True, blank=True, on_delete=models.SET_NULL, related_name="model_calls"
    )
    profile_name = models.CharField(max_length=80)
    plugin_key = models.CharField(max_length=40)
    model = models.CharField(max_length=120)
    reservation_id = models.UUIDField(null=True, blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    error_kind = models.CharField(max_length=32, blank=True)
    error_message = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=16, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0)
    usage_source = models.CharField(max_length=8, choices=UsageSource.choices, default=UsageSource.COUNTED)
    cost = models.DecimalField(
        max_digits=18, decimal_places=9, null=True, blank=True, help_text="Empty: the price is not known."
    )
    currency = models.CharField(max_length=3, blank=True)
    ttft_ms = models.PositiveIntegerField("first token after (ms)", null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    output_chars = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ModelCallQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["subject", "number"], name="model_call_number")]
        indexes = [
            models.Index(fields=["-started_at", "-id"], name="model_call_newest"),
            models.Index(fields=["workspace_id", "-started_at"], name="model_call_of_workspace"),
            models.Index(fields=["heartbeat_at"], condition=Q(state="running"), name="model_call_running"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} #{self.number}"
