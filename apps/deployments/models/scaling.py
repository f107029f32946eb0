"""How many of a part run in an environment: what decides, what was done, and what was so."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.deployments.models.environments import Environment


class ScalePolicy(models.Model):
    """How many of one part an environment's agent has run."""

    class Part(models.TextChoices):
        """What there can be several of."""

        WEB = "web", "Web slots"
        WORKER = "worker", "Workers"

    class Metric(models.TextChoices):
        """What decides."""

        CPU = "cpu", "Processor: percent of a core for each"
        REQUESTS = "requests", "Requests: a second for each"
        QUEUE = "queue", "Queue: waiting jobs for each"
        SCHEDULE = "schedule", "Schedule alone"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="scale_policies")
    part = models.CharField(max_length=6, choices=Part.choices)
    metric = models.CharField(
        "goes by",
        max_length=8,
        choices=Metric.choices,
        help_text="Web by processor or requests, workers by processor or queue.",
    )
    target = models.FloatField(
        default=60,
        validators=[MinValueValidator(0.1), MaxValueValidator(100_000)],
        help_text="For each of them, in the unit above. One more is started when there is more to do than they can.",
    )
    minimum = models.PositiveSmallIntegerField("at least", default=1, validators=[MaxValueValidator(32)])
    maximum = models.PositiveSmallIntegerField(
        "at most", default=2, validators=[MinValueValidator(1), MaxValueValidator(32)]
    )
    cooldown_seconds = models.PositiveIntegerField(
        "one fewer after",
        default=300,
        validators=[MaxValueValidator(86_400)],
        help_text="Seconds for which fewer must have been enough. One more is started at once.",
    )
    zero_after_seconds = models.PositiveIntegerField(
        "none after",
        default=0,
        validators=[MaxValueValidator(86_400)],
        help_text="Seconds without a job. 0: never. For the workers of a development environment that go by the queue.",
    )
    windows = models.TextField(
        "times of the week",
        blank=True,
        max_length=2000,
        help_text='At least so many in that time, in UTC; one a line: "mon-fri 07:00-19:00 3" or "sat,sun 22:00-02:00 2".',
    )
    acts = models.BooleanField(
        default=False,
        help_text="Off: what would be done is only told, and nothing is done. Watch it for some days first.",
    )
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["environment_id", "part"]
        verbose_name = "scale policy"
        verbose_name_plural = "scale policies"
        constraints = [
            models.UniqueConstraint(fields=["environment", "part"], name="scale_policy_of_part_once"),
            models.CheckConstraint(
                condition=models.Q(maximum__gte=models.F("minimum")), name="scale_policy_maximum_not_below_minimum"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.environment}: {self.get_part_display()}"


class ScaleEvent(models.Model):
    """One more or one fewer, with the reason. Written by the agent's reports alone."""

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="scale_events")
    number = models.PositiveBigIntegerField()
    part = models.CharField(max_length=6, choices=ScalePolicy.Part.choices)
    old = models.PositiveSmallIntegerField()
    new = models.PositiveSmallIntegerField()
    why = models.CharField(max_length=300)
    acted = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        # A new agent's journal counts from one again.
        constraints = [models.UniqueConstraint(fields=["environment", "number", "at"], name="scale_event_once")]

    def __str__(self) -> str:
        return f"{self.old} → {self.new}"


class ScaleSample(models.Model):
    """What was so in one minute: how many ran, how many were wanted, what there was to do."""

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="scale_samples")
    part = models.CharField(max_length=6, choices=ScalePolicy.Part.choices)
    at = models.DateTimeField()
    count = models.PositiveSmallIntegerField()
    wanted = models.PositiveSmallIntegerField()
    load = models.FloatField(null=True)

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "part", "at"], name="scale_sample_of_minute_once")
        ]

    def __str__(self) -> str:
        return f"{self.count} of {self.wanted}"
