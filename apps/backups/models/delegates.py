"""Backups that another tool makes."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class Delegate(models.Model):
    """An installation of pgBackRest, Barman or CloudNativePG that backs the database up: we watch it and try it, it does the work.

    `sets` is what the tool said at the last look, newest first; nothing of it is ours to delete.
    """

    class Tool(models.TextChoices):
        """Which."""

        PGBACKREST = "pgbackrest", "pgBackRest"
        BARMAN = "barman", "Barman"
        CNPG = "cnpg", "CloudNativePG"

    class State(models.TextChoices):
        """What the last look found."""

        UNKNOWN = "unknown", "Not looked at yet"
        OK = "ok", "In order"
        OVERDUE = "overdue", "Overdue"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    tool = models.CharField(max_length=12, choices=Tool.choices, default=Tool.PGBACKREST)
    source = models.CharField(max_length=100, help_text="The stanza of pgBackRest, the server of Barman, the cluster.")
    config = models.CharField(
        max_length=500,
        blank=True,
        help_text="The tool's configuration file; empty for its own default. Of CloudNativePG: the address of the list of "
        "backups at the Kubernetes API, or a JSON file that something keeps up to date.",
    )
    token_ref = models.CharField(
        max_length=140,
        blank=True,
        help_text="Where the token of the Kubernetes API is: env:AIWRITER_SECRET_… or file:…",
    )
    role = models.CharField(max_length=63, default="postgres", help_text="Superuser of the server, for drills.")
    enabled = models.BooleanField(default=True)
    gate = models.BooleanField(
        default=True, help_text="A backup that is overdue or failed makes the portal's check of backups fail."
    )
    max_age_hours = models.PositiveIntegerField(
        default=26, validators=[MinValueValidator(1)], help_text="The newest backup may be so old."
    )
    drill_days = models.PositiveIntegerField(
        default=0, help_text="Days between two restore drills; 0 for none. Only pgBackRest can be drilled."
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.UNKNOWN, editable=False)
    problem = models.TextField(blank=True, editable=False)
    remedy = models.TextField(blank=True, editable=False)
    looked_at = models.DateTimeField(null=True, blank=True, editable=False)
    newest_at = models.DateTimeField(null=True, blank=True, editable=False)
    since = models.DateTimeField(null=True, blank=True, editable=False)
    sets = models.JSONField(default=list, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name = "backups of another tool"
        verbose_name_plural = "backups of other tools"

    def __str__(self) -> str:
        return self.name
