"""Jobs elsewhere that have to report: a backup of another machine, a nightly script."""

from __future__ import annotations

import datetime as dt

from celery.schedules import ParseException, crontab
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7

_WEEK = 7 * 86400


def cron(text: str) -> crontab:
    """A schedule out of five words.

    Raises:
        ValueError: it is none.
    """
    words = text.split()
    if len(words) != 5:
        raise ValueError("it needs five words")
    try:
        made = crontab(
            minute=words[0], hour=words[1], day_of_month=words[2], month_of_year=words[3], day_of_week=words[4]
        )
    except (ParseException, ValueError) as error:
        raise ValueError(str(error)) from None
    return made


class ExpectedRun(models.Model):
    """Something that reports when it has run. Silence beyond its grace is an alert."""

    class State(models.TextChoices):
        """What is known of it."""

        NEW = "new", "Never reported"
        UP = "up", "In time"
        RUNNING = "running", "Running"
        LATE = "late", "Late"
        MISSING = "missing", "Missing"
        FAILING = "failing", "Failed"
        PAUSED = "paused", "Not expected"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    period_seconds = models.PositiveIntegerField(
        "period (seconds)",
        null=True,
        blank=True,
        validators=[MinValueValidator(30), MaxValueValidator(60 * 86400)],
        help_text="It reports at least so often.",
    )
    cron = models.CharField(max_length=80, blank=True, help_text="Or at these times (UTC): 15 3 * * *")
    grace_seconds = models.PositiveIntegerField(
        "grace (seconds)", default=300, validators=[MinValueValidator(1), MaxValueValidator(_WEEK)]
    )
    enabled = models.BooleanField(default=True)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    reported_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="It ended, well or not.")
    failed = models.BooleanField(default=False, editable=False)
    exit_code = models.SmallIntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]
        verbose_name = "heartbeat from outside"
        verbose_name_plural = "heartbeats from outside"
        constraints = [
            models.CheckConstraint(
                condition=Q(period_seconds__isnull=False, cron="") | Q(period_seconds__isnull=True) & ~Q(cron=""),
                name="expected_run_one_schedule",
                violation_error_message="Say either how often it reports, or at which times.",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def due_at(self) -> dt.datetime | None:
        """When the next report is due; None while it has never reported."""
        if self.reported_at is None:
            return None
        if self.period_seconds is not None:
            return self.reported_at + dt.timedelta(seconds=self.period_seconds)
        last, delta, _ = cron(self.cron).remaining_delta(self.reported_at, tz=dt.UTC)
        due: dt.datetime = last + delta
        return due

    def state_at(self, now: dt.datetime) -> str:
        """How it stands.

        Args:
            now: when.
        """
        grace = dt.timedelta(seconds=self.grace_seconds)
        if not self.enabled:
            return self.State.PAUSED
        running = self.started_at is not None and (self.reported_at is None or self.started_at > self.reported_at)
        if running and self.started_at is not None:
            # Who says that it began has as long as its grace to say that it ended.
            return self.State.MISSING if now > self.started_at + grace else self.State.RUNNING
        due = self.due_at
        if due is None:
            return self.State.NEW
        if now > due + grace:
            return self.State.MISSING
        if self.failed:
            return self.State.FAILING
        return self.State.LATE if now > due else self.State.UP

    @property
    def state(self) -> str:
        """How it stands now."""
        return self.state_at(timezone.now())


class RunReport(models.Model):
    """One report."""

    class Kind(models.TextChoices):
        """What it says."""

        START = "start", "It begins"
        PING = "ping", "It went well"
        FAIL = "fail", "It failed"
        LOG = "log", "A note"

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(ExpectedRun, on_delete=models.CASCADE, related_name="reports")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    at = models.DateTimeField(default=timezone.now)
    exit_code = models.SmallIntegerField(null=True, blank=True)
    took_seconds = models.FloatField(null=True, blank=True)
    log = models.TextField(blank=True)
    sender = models.CharField(max_length=254, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["run", "-at"], name="run_report_newest")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M:%S}"
