"""Guarded roll-outs of flags: stages of percentages, what was measured in them, and how each ended."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.deployments.models.flags import Flag


class FlagRollout(models.Model):
    """One variant on its way from some of the people to all of them. What it does is judged; a breach takes it back."""

    class State(models.TextChoices):
        """How it stands."""

        RUNNING = "running", "Under way"
        PAUSED = "paused", "Paused: a person decides"
        BACK = "back", "Taken back by itself"
        STOPPED = "stopped", "Taken back by a person"
        DONE = "done", "Everybody has it"

    # While it is in one of these, its percentage counts.
    OPEN = (State.RUNNING, State.PAUSED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, related_name="rollouts")
    variant = models.CharField(max_length=40)
    before = models.CharField(max_length=40, help_text="What the others have.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.RUNNING)
    why = models.CharField(max_length=300, blank=True, help_text="Why it stands so.")
    number = models.PositiveSmallIntegerField(default=0, help_text="Of the stage.")
    percent = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(100)])
    min_seconds = models.PositiveIntegerField(default=600, help_text="That a stage lasts at least.")
    max_seconds = models.PositiveIntegerField(default=86400, help_text="After which a stage without a verdict pauses.")
    min_samples = models.PositiveIntegerField(default=40, help_text="Texts of the new variant that a stage needs.")
    alpha = models.FloatField(
        default=0.002,
        validators=[MinValueValidator(1e-6), MaxValueValidator(0.1)],
        help_text="Below this chance a difference is none.",
    )
    guard_errors = models.BooleanField("errors", default=True)
    guard_regenerated = models.BooleanField("texts asked for again", default=True)
    latency_times = models.FloatField("latency, times", default=2.0, help_text="0: not guarded.")
    cost_times = models.FloatField("cost of a text, times", default=1.5, help_text="0: not guarded.")
    people = models.PositiveIntegerField(default=0, help_text="Who had the new variant.")
    people_hit = models.PositiveIntegerField(default=0, help_text="Of these, who had a text that failed.")
    author = models.CharField(max_length=254, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-id"]
        verbose_name = "guarded roll-out"
        constraints = [
            models.UniqueConstraint(
                fields=["flag"], condition=models.Q(state__in=["running", "paused"]), name="flag_rollout_one_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.flag} → {self.variant}"


class FlagStage(models.Model):
    """A percentage for a time, and the verdict on it."""

    id = models.BigAutoField(primary_key=True)
    rollout = models.ForeignKey(FlagRollout, on_delete=models.CASCADE, related_name="stages")
    number = models.PositiveSmallIntegerField()
    percent = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(99)])
    began_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=5, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["rollout_id", "number"]
        constraints = [models.UniqueConstraint(fields=["rollout", "number"], name="flag_stage_number_once")]

    def __str__(self) -> str:
        return f"{self.percent} %"


class FlagSample(models.Model):
    """What was known of both variants at a moment of a stage, since it began."""

    id = models.BigAutoField(primary_key=True)
    rollout = models.ForeignKey(FlagRollout, on_delete=models.CASCADE, related_name="samples")
    stage = models.PositiveSmallIntegerField()
    arm = models.CharField(max_length=3, choices=[("new", "New"), ("old", "Old")])
    at = models.DateTimeField(default=timezone.now)
    n = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    regenerated = models.PositiveIntegerField(default=0)
    p95_ms = models.FloatField(null=True, blank=True)
    cost = models.FloatField(null=True, blank=True, help_text="Of a text, in the mean.")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["rollout", "id"], name="flag_sample_of_rollout")]

    def __str__(self) -> str:
        return f"{self.arm} {self.errors}/{self.n}"
