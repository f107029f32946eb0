"""Reports of operations that go out by themselves: to whom and how often, and each one with its figures."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet
from apps.monitoring.models.channels import AlertChannel


class ReportSchedule(models.Model):
    """Who gets the report of a week or a month."""

    class Period(models.TextChoices):
        """What it is about."""

        WEEK = "week", "Each week"
        MONTH = "month", "Each month"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    period = models.CharField(max_length=8, choices=Period.choices, default=Period.WEEK)
    hour = models.PositiveSmallIntegerField(
        "hour (UTC)",
        default=6,
        validators=[MaxValueValidator(23)],
        help_text="On Mondays about the week before, or on the first of the month about the month before.",
    )
    people = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="+",
        help_text="They get it by mail, as long as they may see health and usage.",
    )
    channels = models.ManyToManyField(AlertChannel, blank=True, related_name="+")
    enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "scheduled report"

    def __str__(self) -> str:
        return self.name


class ReportRun(LeasedJob):
    """One report: its figures, made once, and whom it reached. The row is also the job that sends it."""

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Being sent"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schedule = models.ForeignKey(ReportSchedule, on_delete=models.CASCADE, related_name="runs")
    since = models.DateTimeField()
    until = models.DateTimeField()
    by_hand = models.BooleanField(default=False)
    figures = models.JSONField(default=dict, editable=False)
    told = models.JSONField(
        default=dict,
        editable=False,
        help_text="By recipient (user:<id>, channel:<id>): the receipt, or what went wrong.",
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    next_try_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "report"
        constraints = [
            # However many watches find it due at once.
            models.UniqueConstraint(
                fields=["schedule", "since", "until"], condition=Q(by_hand=False), name="report_once_a_period"
            )
        ]
        indexes = [models.Index(fields=["state", "next_try_at"], name="report_due")]

    def __str__(self) -> str:
        return f"{self.schedule}, {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"
