"""Documents on their way out as files."""

from __future__ import annotations

from django.db import models

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class Export(LeasedJob):
    """One document as a file, or several as a zip; the row is also the job that makes it.

    `selection` holds what a set consists of: ids of documents, as they were when it was asked for. The file goes at
    `expires_at`; the row stays and says so.
    """

    class Format(models.TextChoices):
        """Kinds of files."""

        MARKDOWN = "md", "Markdown"
        HTML = "html", "Web page"
        DOCX = "docx", "Word"
        PDF = "pdf", "PDF"
        TEXT = "txt", "Plain text"
        JSON = "json", "JSON"

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Writing the file"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, null=True, related_name="exports")
    document = models.ForeignKey(
        "content.Document", on_delete=models.CASCADE, null=True, blank=True, related_name="exports"
    )
    version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    selection = models.JSONField(default=list, blank=True)
    title = models.CharField(max_length=300, blank=True)
    which = models.CharField(max_length=10, default="current")
    with_sources = models.BooleanField(default=True)
    with_origin = models.BooleanField(default=False)
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    format = models.CharField(max_length=4, choices=Format.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    done = models.PositiveIntegerField(default=0)
    file = models.ForeignKey(
        "backends.StoredFile", on_delete=models.SET_NULL, null=True, blank=True, related_name="exports"
    )
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="content_export_recent"),
            models.Index(fields=["state", "expires_at"], name="content_export_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.format} of {self.document_id or f'{len(self.selection)} documents'}"
