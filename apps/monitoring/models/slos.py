"""Service level objectives: how much of what people ask for has to go well."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class Slo(models.Model):
    """An objective. What does not have to go well is the error budget: 99.9 % of 30 days leave 43 minutes."""

    class Source(models.TextChoices):
        """What is counted."""

        REQUESTS = "requests", "Requests"
        MODEL_CALLS = "model_calls", "Model calls"
        TASKS = "tasks", "Tasks"
        SLOW = "slow", "Minutes in which requests are slow"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    source = models.CharField(max_length=12, choices=Source.choices)
    label = models.CharField(
        max_length=160, blank=True, help_text="Of what: web, api, console, a backend, a task; “all” for every one."
    )
    objective = models.FloatField(
        default=99.9,
        validators=[MinValueValidator(50.0), MaxValueValidator(99.999)],
        help_text="Per cent that have to go well.",
    )
    window_days = models.PositiveSmallIntegerField(default=30, validators=[MinValueValidator(1), MaxValueValidator(90)])
    slow_seconds = models.FloatField(
        default=2.0,
        validators=[MinValueValidator(0.01), MaxValueValidator(300.0)],
        help_text="A minute is slow when 95 % of its requests took longer.",
    )
    least_bad = models.PositiveIntegerField(
        default=10, help_text="Fewer that went wrong fire no alert: one of three at night says nothing."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]
        verbose_name = "objective"

    def __str__(self) -> str:
        return self.title

    @property
    def allowed_share(self) -> float:
        """The part that may go wrong, 0 to 1."""
        return 1.0 - self.objective / 100.0
