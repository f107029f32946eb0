"""Bringing things back."""

from __future__ import annotations

from django.db import models

from aiwriter.core.leases import LeasedQuerySet
from apps.backups.models.destinations import Destination
from apps.backups.models.jobs import RecoveryJob
from apps.backups.models.runs import BackupRun
from apps.backups.models.sets import BackupSet


class Restore(RecoveryJob):
    """One restore: planned, confirmed, carried out, and for the database undone if need be.

    `plan` is what the person saw and agreed to. `before` says where the state before the switch lies, until
    `undo_until`.
    """

    WAITING_STATES = ("queued",)
    HELD_STATES = ("running",)
    FINAL_STATES = ("succeeded", "failed", "stopped", "undone")

    class State(models.TextChoices):
        """How far it is."""

        PLANNED = "planned", "Planned"
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"
        UNDONE = "undone", "Undone"

    class Scope(models.TextChoices):
        """What is brought back."""

        SYSTEM = "system", "Everything: database, files and keys"
        DATABASE = "database", "The database only"
        WORKSPACE = "workspace", "One workspace with documents, sources, files and members"
        COPY = "copy", "One workspace as a copy beside the present one"
        DOCUMENT = "document", "One document with its versions and files"
        FILE = "file", "One file"

    state = models.CharField(max_length=16, choices=State.choices, default=State.PLANNED, db_index=True)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    subject = models.CharField(max_length=80, blank=True, help_text="Id of the workspace, the document or the file.")
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="restores")
    backup_set = models.ForeignKey(BackupSet, on_delete=models.SET_NULL, null=True, blank=True, related_name="restores")
    set_name = models.CharField(max_length=120)
    moment = models.DateTimeField(
        null=True, blank=True, help_text="The moment that is brought back; empty for the set's own."
    )
    identity_ref = models.CharField(max_length=140, blank=True, editable=False)
    plan = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    safety_run = models.ForeignKey(BackupRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    approved_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    before = models.CharField(max_length=300, blank=True, editable=False)
    switched_at = models.DateTimeField(null=True, blank=True)
    undo_until = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="backup_restore_recent")]

    def __str__(self) -> str:
        return f"{self.get_scope_display()}, {self.created_at:%Y-%m-%d %H:%M}"
