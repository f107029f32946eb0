"""Documents and their versions. Markdown is the text; HTML is a rendering that is kept beside it."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q, Value

from aiwriter.core.ids import uuid7


class DocumentQuerySet(models.QuerySet["Document"]):
    """The questions that lists ask."""

    def in_workspace(self, workspace_id: uuid.UUID | str) -> Self:
        """Documents of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def kept(self) -> Self:
        """Documents that are not in the bin."""
        return self.filter(deleted_at__isnull=True)

    def binned(self) -> Self:
        """Documents in the bin."""
        return self.filter(deleted_at__isnull=False)


class Document(models.Model):
    """A text that people and models write on.

    `revision` grows with every write and is what a writer must name to write again: of two people who opened the same
    text, the second to save is told instead of overwriting the first.

    `status` is how far the newest text is; `models.lifecycle.TRANSITIONS` says what may follow. The versions that were
    submitted, approved and published are named one by one: whoever goes on writing changes none of them.
    """

    class Status(models.TextChoices):
        """How far the text is."""

        DRAFT = "draft", "Draft"
        IN_REVIEW = "in_review", "In review"
        APPROVED = "approved", "Approved"
        SCHEDULED = "scheduled", "Scheduled"
        PUBLISHED = "published", "Published"
        ARCHIVED = "archived", "Archived"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="documents")
    owner = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="documents")
    title = models.CharField(max_length=300)
    slug = models.SlugField(max_length=120, blank=True, db_index=False)
    language = models.CharField(max_length=12, default="en")
    kind = models.CharField(max_length=40, default="article")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.DRAFT)
    collection = models.ForeignKey(
        "content.Collection", on_delete=models.SET_NULL, null=True, blank=True, related_name="documents"
    )
    tags = models.ManyToManyField("content.Tag", blank=True, related_name="documents")
    brief = models.JSONField(default=dict, blank=True)
    # The database knows the default too, so that the version before this column can go on writing during an update.
    seo = models.JSONField(default=dict, db_default=Value({}, models.JSONField()), blank=True)
    body_markdown = models.TextField(blank=True)
    body_html = models.TextField(blank=True, editable=False)
    word_count = models.PositiveIntegerField(default=0)
    revision = models.PositiveIntegerField(default=1)
    current_version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    review_version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    approved_version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    approved_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    published_version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    published_at = models.DateTimeField(null=True, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    voice = models.ForeignKey(
        "content.VoiceProfile", on_delete=models.SET_NULL, null=True, blank=True, related_name="documents"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at"]
        indexes = [
            models.Index(fields=["workspace", "-updated_at"], name="content_document_recent"),
            models.Index(fields=["workspace", "status", "-updated_at"], name="content_document_status"),
            models.Index(fields=["workspace", "kind", "-updated_at"], name="content_document_kind"),
            # Each order of the list, so that a page of a hundred thousand documents is read and not sorted.
            models.Index(fields=["workspace", "-created_at"], name="content_document_newest"),
            models.Index(fields=["workspace", "title"], name="content_document_title"),
            models.Index(fields=["workspace", "-word_count"], name="content_document_longest"),
            models.Index(fields=["workspace", "owner", "-updated_at"], name="content_document_owner"),
            models.Index(fields=["workspace", "collection", "-updated_at"], name="content_document_collection"),
            models.Index(
                fields=["workspace", "-deleted_at"],
                condition=Q(deleted_at__isnull=False),
                name="content_document_trash",
            ),
        ]

    def __str__(self) -> str:
        # Not the title: this name goes into the audit record and the console, whose readers may not read documents.
        return f"{self.kind} {self.pk}"


class DocumentVersion(models.Model):
    """The whole text as it was after one write.

    Nothing changes a version but its label; only the newest one grows while its author keeps typing, so that a burst of
    automatic saves is one version and not hundreds. A version that is `pinned` (under review, approved, published, sent to
    a place) grows no more.
    """

    class Reason(models.TextChoices):
        """How the text came to be."""

        AUTOSAVE = "autosave", "Saved while writing"
        MANUAL = "manual", "Saved"
        AI = "ai", "Written by a model"
        IMPORT = "import", "Imported"
        RESTORE = "restore", "Restored"
        API = "api", "Written through the API"
        MERGE = "merge", "Two texts merged"
        CONFLICT = "conflict", "Kept beside a newer text"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    body_markdown = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64)
    word_count = models.PositiveIntegerField(default=0)
    author = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=10, choices=Reason.choices, default=Reason.MANUAL)
    label = models.CharField(max_length=120, blank=True)
    pinned = models.BooleanField(default=False, db_default=False)
    generation = models.ForeignKey(
        "content.Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="versions"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["document", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="content_version_number"),
            models.CheckConstraint(condition=Q(number__gte=1), name="content_version_number_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} v{self.number}"
