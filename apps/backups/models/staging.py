"""Copies for other eyes."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedQuerySet
from apps.backups.models.destinations import Destination
from apps.backups.models.jobs import RecoveryJob
from apps.backups.models.sets import BackupSet


class StagingCopy(RecoveryJob):
    """A set made into a portal that shows nobody's data.

    `database` is the address without its password; the whole one is a secret that is forgotten at the end, as the key is.
    """

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="staging_copies")
    backup_set = models.ForeignKey(BackupSet, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    set_name = models.CharField(max_length=120)
    folder = models.CharField(max_length=300, help_text="The data folder of the copy.")
    database = models.CharField(max_length=300, blank=True, help_text="Empty: SQLite, in the folder.")
    identity_ref = models.CharField(max_length=140, blank=True, editable=False)
    database_ref = models.CharField(max_length=140, blank=True, editable=False)
    result = models.JSONField(default=dict, blank=True)
    scan = models.JSONField(default=dict, blank=True, help_text="What was looked for, where, and what was found.")

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "staging copy"
        verbose_name_plural = "staging copies"
        indexes = [models.Index(fields=["-created_at", "-id"], name="backup_staging_recent")]

    def __str__(self) -> str:
        return f"Staging copy of {self.created_at:%Y-%m-%d %H:%M}"


class StagingMark(models.Model):
    """Says, within a staging copy, that its rows are sanitised. An original has no such row."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    made_at = models.DateTimeField(default=timezone.now)
    set_name = models.CharField(max_length=120, blank=True)
    version = models.CharField(max_length=40, blank=True)
    scan = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return f"Sanitised {self.made_at:%Y-%m-%d %H:%M}"
