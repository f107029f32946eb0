"""Questions to the log that people keep, and captures of everything that one person or one request causes."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from aiwriter.core.ids import uuid7

LONGEST_CAPTURE = dt.timedelta(minutes=15)


class LogQuery(models.Model):
    """A question to the log under a name, for everybody who may read the log."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    values = models.JSONField(default=dict, help_text="The filters, by name.")
    author = models.CharField(max_length=254, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "log"
        verbose_name_plural = "log"

    def __str__(self) -> str:
        return self.name


class DebugCapture(models.Model):
    """Everything that is logged for one account or one request, down to the debug lines, for a quarter of an hour at most.

    It begins when the person themself or a second operator has agreed, and what was captured is destroyed on time.
    """

    class State(models.TextChoices):
        """How far it is."""

        ASKED = "asked", "Asked for"
        RUNNING = "running", "Running"
        ENDED = "ended", "Ended"
        REFUSED = "refused", "Refused"
        DESTROYED = "destroyed", "Destroyed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField(null=True, blank=True, help_text="Of this account.")
    request_id = models.CharField(max_length=64, blank=True, help_text="Or of requests with this id.")
    reason = models.CharField(max_length=300)
    minutes = models.PositiveSmallIntegerField(default=10)
    state = models.CharField(max_length=9, choices=State.choices, default=State.ASKED)
    asked_by_id = models.UUIDField(null=True)
    asked_by = models.CharField(max_length=254)
    asked_at = models.DateTimeField(default=timezone.now)
    decided_by = models.CharField(max_length=254, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    destroy_at = models.DateTimeField(null=True, blank=True)
    lines = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of what was destroyed.")

    class Meta:
        ordering = ["-asked_at", "-id"]
        verbose_name = "debug capture"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__lte=F("begun_at") + LONGEST_CAPTURE),
                name="debug_capture_quarter_hour",
            ),
            models.CheckConstraint(
                condition=Q(user_id__isnull=False, request_id="") | Q(user_id__isnull=True) & ~Q(request_id=""),
                name="debug_capture_one_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"

    @property
    def subject(self) -> str:
        """Whom or what it is about."""
        return f"user:{self.user_id}" if self.user_id else f"request {self.request_id}"
