"""What a repository holds."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from apps.backups.models.destinations import Destination
from apps.backups.models.runs import BackupRun


class BackupSetQuerySet(models.QuerySet["BackupSet"]):
    """The questions of services and pages."""

    def restorable(self) -> Self:
        """Sets that a restore of the whole may use."""
        return self.exclude(state__in=(BackupSet.State.SUSPICIOUS, BackupSet.State.DAMAGED))


class BackupSet(models.Model):
    """One consistent state of database, files and configuration.

    The row is what the portal remembers of a manifest; the repository is the truth, and the rows are made anew from it
    by `services/catalogue.py`. A set is `verified` when its bytes were checked, and `drilled` when a restore of it has
    been shown.
    """

    class State(models.TextChoices):
        """How far it can be trusted."""

        COMMITTED = "committed", "Written"
        VERIFIED = "verified", "Checked"
        DRILLED = "drilled", "Restored in a drill"
        INCOMPLETE = "incomplete", "Incomplete"
        SUSPICIOUS = "suspicious", "Suspicious"
        DAMAGED = "damaged", "Damaged"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="sets")
    run = models.ForeignKey(BackupRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="sets")
    name = models.CharField(max_length=120, help_text="As the repository calls it.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.COMMITTED, db_index=True)
    problem = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, help_text="When the snapshot was taken.")
    pin = models.CharField(max_length=80, blank=True)
    bytes_source = models.BigIntegerField(default=0)
    bytes_added = models.BigIntegerField(default=0)
    entries = models.PositiveIntegerField(default=0)
    rows = models.BigIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    portal_version = models.CharField(max_length=40, blank=True)
    engine = models.CharField(max_length=20, blank=True)
    engine_version = models.CharField(max_length=40, blank=True)
    capture = models.JSONField(
        default=dict, blank=True, help_text="Of a base for restores to a moment: line, first segment, usable from."
    )
    heads = models.JSONField(default=dict, blank=True, help_text="Last migration of each app.")
    missing = models.JSONField(default=list, blank=True, help_text="Files that could not be read.")
    verified_at = models.DateTimeField(null=True, blank=True)
    deep_verified_at = models.DateTimeField(null=True, blank=True)
    drilled_at = models.DateTimeField(null=True, blank=True)

    objects = BackupSetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "backup set"
        constraints = [models.UniqueConstraint(fields=["destination", "name"], name="backup_set_once")]
        indexes = [models.Index(fields=["-created_at", "-id"], name="backup_set_recent")]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M:%S} ({self.name[-8:]})"
