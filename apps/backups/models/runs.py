"""Work on a repository."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from aiwriter.core.leases import LeasedQuerySet
from apps.backups.models.destinations import Destination
from apps.backups.models.jobs import RecoveryJob
from apps.backups.models.policies import Policy


class BackupRun(RecoveryJob):
    """One backup, check, clean-up, copy or encryption anew. One destination has one at a time; the database sees to that."""

    class Action(models.TextChoices):
        """What is done."""

        BACKUP = "backup", "Backup"
        VERIFY = "verify", "Check"
        DEEP = "deep", "Deep check"
        PRUNE = "prune", "Clean-up"
        COPY = "copy", "Copy"
        REENCRYPT = "reencrypt", "Encryption anew"

    action = models.CharField(max_length=10, choices=Action.choices, default=Action.BACKUP)
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="runs")
    policy = models.ForeignKey(Policy, on_delete=models.SET_NULL, null=True, blank=True, related_name="runs")
    pin = models.CharField(max_length=80, blank=True, help_text="The set of this run is pinned under this name.")
    result = models.JSONField(default=dict, blank=True)
    identity_ref = models.CharField(max_length=140, blank=True, db_default="", editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "backup run"
        constraints = [
            models.UniqueConstraint(
                fields=["destination"], condition=Q(state="running"), name="backup_run_one_at_a_time"
            )
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="backup_run_recent"),
            models.Index(fields=["policy", "action", "-created_at"], name="backup_run_of_policy"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} of {self.created_at:%Y-%m-%d %H:%M}"
