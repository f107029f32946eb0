"""Documents at places outside: where they stand, and which text stands there."""

from __future__ import annotations

from django.db import models

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class Publication(LeasedJob):
    """A document at one place. The row is also the job that takes it there, again and again.

    There is one row for a document and a place, so whatever happens the document stands there once. `sent_hash` is the
    digest of what the place was given last: a call that would change nothing is left out.
    """

    class State(models.TextChoices):
        """How it stands."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "On its way"
        PUBLISHED = "published", "Up to date there"
        WITHDRAWN = "withdrawn", "Taken down"
        FAILED = "failed", "Failed"

    class Wish(models.TextChoices):
        """What the document is to be there."""

        PUBLISH = "publish", "Public"
        SCHEDULE = "schedule", "Public at a time"
        DRAFT = "draft", "Draft"
        WITHDRAW = "withdraw", "Not there"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="publications")
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="publications")
    target = models.ForeignKey("backends.BackendProfile", on_delete=models.PROTECT, related_name="publications")
    version = models.ForeignKey("content.DocumentVersion", on_delete=models.PROTECT, related_name="+")
    wish = models.CharField(max_length=10, choices=Wish.choices, default=Wish.PUBLISH)
    publish_at = models.DateTimeField(null=True, blank=True)
    categories = models.JSONField(default=list, blank=True)
    tags = models.JSONField(default=list, blank=True)
    with_sources = models.BooleanField(default=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    remote_id = models.CharField(max_length=200, blank=True)
    remote_url = models.CharField(max_length=2000, blank=True)
    sent_hash = models.CharField(max_length=64, blank=True)
    sent_version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["document", "target"], name="content_publication_once")]
        indexes = [models.Index(fields=["workspace", "-created_at", "-id"], name="content_publication_recent")]

    def __str__(self) -> str:
        return f"{self.document_id} at {self.target_id}"

    @property
    def key(self) -> str:
        """Names the document at this place for good; the place keeps it with what it made."""
        return self.id.hex
