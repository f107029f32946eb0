"""Documents on their way out as files."""

from __future__ import annotations

from django.db import models

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class Export(LeasedJob):
    """A document as a file of one format; the row is also the job that makes it."""

    class Format(models.TextChoices):
        """Kinds of files."""

        MARKDOWN = "md", "Markdown"
        HTML = "html", "Web page"
        DOCX = "docx", "Word"

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Writing the file"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="exports")
    version = models.ForeignKey("content.DocumentVersion", on_delete=models.CASCADE, related_name="+")
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    format = models.CharField(max_length=4, choices=Format.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    file = models.ForeignKey(
        "backends.StoredFile", on_delete=models.SET_NULL, null=True, blank=True, related_name="exports"
    )
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.format} of {self.document_id}"
