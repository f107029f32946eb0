"""Experiments: two variants of a flag, who was exposed to which, and the result."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.deployments.models.flags import Flag


class Experiment(models.Model):
    """A comparison whose size is fixed before it begins. The verdict is made once, when both arms have reached it."""

    class State(models.TextChoices):
        """How it stands."""

        RUNNING = "running", "Under way"
        CONCLUDED = "concluded", "Its result stands"
        ENDED = "ended", "Ended"

    class Metric(models.TextChoices):
        """What is counted of each person, within the time after the first exposure."""

        REGENERATED = "regenerated", "Asked for a text again (fewer is better)"
        FAILED = "failed", "Had a text that failed (fewer is better)"
        KEPT = "kept", "Took a text over into a document (more is better)"

    # While it is in one of these, people stay in their arms.
    OPEN = (State.RUNNING, State.CONCLUDED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, related_name="experiments")
    title = models.CharField(max_length=120, help_text="What is asked.")
    control = models.CharField(max_length=40)
    treatment = models.CharField(max_length=40)
    share = models.PositiveSmallIntegerField(
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Per cent of the people who take part.",
    )
    split = models.PositiveSmallIntegerField(
        default=50,
        validators=[MinValueValidator(5), MaxValueValidator(95)],
        help_text="Per cent of these who get the treatment.",
    )
    metric = models.CharField(max_length=11, choices=Metric.choices)
    baseline = models.FloatField(
        validators=[MinValueValidator(0.001), MaxValueValidator(0.999)], help_text="Share of people with the control."
    )
    effect = models.FloatField(
        validators=[MinValueValidator(0.001), MaxValueValidator(0.9)],
        help_text="The least difference of that share that matters, 0.05 for example.",
    )
    window_hours = models.PositiveSmallIntegerField(
        default=72,
        validators=[MaxValueValidator(2160)],
        help_text="So long after the first exposure a person is counted; only then do they count. 0: up to now, at once.",
    )
    planned = models.PositiveIntegerField(editable=False, help_text="People that each arm needs.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    result = models.JSONField(default=dict, blank=True)
    why = models.CharField(max_length=300, blank=True)
    author = models.CharField(max_length=254, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    concluded_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["flag"], condition=models.Q(state__in=["running", "concluded"]), name="experiment_one_open"
            )
        ]

    def __str__(self) -> str:
        return self.title


class Exposure(models.Model):
    """A person was given a variant of an experiment for the first time."""

    id = models.BigAutoField(primary_key=True)
    # The unique constraint begins with it.
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="exposures", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    variant = models.CharField(max_length=40)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["experiment", "user"], name="exposure_once")]

    def __str__(self) -> str:
        return f"{self.variant} {self.at:%Y-%m-%d %H:%M}"
