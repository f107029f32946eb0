"""Restores that are only rehearsed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from aiwriter.core.leases import LeasedQuerySet
from apps.backups.models.delegates import Delegate
from apps.backups.models.destinations import Destination
from apps.backups.models.jobs import RecoveryJob
from apps.backups.models.policies import Policy
from apps.backups.models.sets import BackupSet


class Drill(RecoveryJob):
    """A set restored into a scratch place and looked at: what was lost until then, and how long it took.

    A set of ours has a `destination`, one of another tool a `delegate`.
    """

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, null=True, blank=True, related_name="drills")
    delegate = models.ForeignKey(Delegate, on_delete=models.CASCADE, null=True, blank=True, related_name="drills")
    policy = models.ForeignKey(Policy, on_delete=models.SET_NULL, null=True, blank=True, related_name="drills")
    backup_set = models.ForeignKey(BackupSet, on_delete=models.SET_NULL, null=True, blank=True, related_name="drills")
    set_name = models.CharField(max_length=120, blank=True)
    moment = models.DateTimeField(
        null=True, blank=True, help_text="The moment that was restored; empty for the set's own."
    )
    phases = models.JSONField(default=dict, blank=True, help_text="Seconds of each phase of the restore.")
    findings = models.JSONField(default=list, blank=True, help_text="What was looked at, and what was found.")
    rpo_seconds = models.FloatField(null=True, blank=True)
    rto_seconds = models.FloatField(null=True, blank=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="backup_drill_recent")]
        constraints = [
            models.CheckConstraint(
                condition=Q(destination__isnull=False, delegate=None) | Q(destination=None, delegate__isnull=False),
                name="backup_drill_of_something",
            )
        ]

    def __str__(self) -> str:
        return f"Drill of {self.created_at:%Y-%m-%d %H:%M}"
