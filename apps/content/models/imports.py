"""Texts on their way in as documents."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class Import(LeasedJob):
    """A file or page that becomes a document, or a zip that becomes several. The row is also the job.

    `file` is the original as it came, kept. `notes` say what could not be taken over.
    """

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Reading"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="imports")
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=300)
    url = models.CharField(max_length=2000, blank=True)
    file = models.ForeignKey(
        "backends.StoredFile", on_delete=models.SET_NULL, null=True, blank=True, related_name="imports"
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    documents = models.ManyToManyField("content.Document", related_name="imports", blank=True)
    notes = models.JSONField(default=list, blank=True)
    pictures = models.JSONField(default=dict, blank=True, editable=False, help_text="Fingerprint to the kept file.")
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["workspace", "-created_at", "-id"], name="content_import_recent")]

    def __str__(self) -> str:
        return str(self.pk)
