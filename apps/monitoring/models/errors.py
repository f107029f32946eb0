"""The error inbox: kinds of errors, how often each came on which day, and some of them whole."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class ErrorGroup(models.Model):
    """Errors of one kind: the same type from the same functions of the portal."""

    class State(models.TextChoices):
        """What people have said to it."""

        OPEN = "open", "Open"
        RESOLVED = "resolved", "Mended"
        IGNORED = "ignored", "Ignored"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mark = models.CharField(max_length=64, unique=True, editable=False, help_text="The same for the same kind.")
    kind = models.CharField(max_length=200, help_text="The exception's type, or the logger's name.")
    text = models.CharField(max_length=500, blank=True, help_text="Of the newest one, without the values it quotes.")
    place = models.CharField(
        max_length=300, blank=True, help_text="The last function of the portal that it came through."
    )
    parts = models.CharField(max_length=200, blank=True, help_text="web, worker, watch …")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    count = models.BigIntegerField(default=0)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    first_release = models.CharField(max_length=40, blank=True)
    last_release = models.CharField(max_length=40, blank=True)
    opened_at = models.DateTimeField(
        default=timezone.now, help_text="When it came up, or came again after it was mended."
    )
    came_again = models.BooleanField(default=False, help_text="It was mended once and is back.")
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=254, blank=True)
    settled_release = models.CharField(max_length=40, blank=True, editable=False)

    class Meta:
        ordering = ["-last_seen_at", "-id"]
        verbose_name = "error"
        verbose_name_plural = "errors"
        indexes = [
            models.Index(fields=["state", "-last_seen_at"], name="error_group_state_newest"),
            models.Index(fields=["opened_at"], name="error_group_opened"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"[:120] if self.text else self.kind


class ErrorSample(models.Model):
    """One error of a kind, with the functions that it came through and no values."""

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    text = models.CharField(max_length=500, blank=True)
    causes = models.JSONField(default=list, blank=True)
    frames = models.JSONField(default=list, blank=True)
    logger = models.CharField(max_length=100, blank=True)
    part = models.CharField(max_length=40, blank=True)
    node = models.CharField(max_length=120, blank=True)
    release = models.CharField(max_length=40, blank=True)
    route = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)
    actor = models.CharField(
        max_length=80, blank=True, help_text="Whose request it was: the kind and id of the account."
    )
    workspace = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["group", "-at"], name="error_sample_newest")]

    def __str__(self) -> str:
        return f"{self.part} {self.at:%Y-%m-%d %H:%M:%S}"


class ErrorDay(models.Model):
    """How often a kind of error came on a day (UTC)."""

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    count = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["group", "day"], name="error_day_once")]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}"


class ErrorIntake(models.Model):
    """The last file of noted errors that was taken over from a machine: what is taken twice counts once."""

    node = models.CharField(primary_key=True, max_length=120)
    last_file = models.CharField(max_length=80)
    taken_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["node"]

    def __str__(self) -> str:
        return self.node
