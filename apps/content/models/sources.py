"""What a writer brings along: sources, their passages with vectors, and the state of a workspace's vector index."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class SourceQuerySet(LeasedQuerySet):
    """The questions that lists and jobs ask about sources."""

    def in_workspace(self, workspace_id: uuid.UUID | str) -> Self:
        """Sources of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def ready(self) -> Self:
        """Sources that retrieval may search."""
        return self.filter(state=Source.State.READY)


class Source(LeasedJob):
    """A file, page, text or document that generations may quote. The row is also the job that reads it in.

    `text` is the normalised text: every offset in `page_map`, `outline` and the chunks counts its characters. It is
    kept in the database, so that citations can be checked and passages cut again without the file.
    """

    class Kind(models.TextChoices):
        """Where it came from."""

        FILE = "file", "File"
        URL = "url", "Web page"
        TEXT = "text", "Text"
        DOCUMENT = "document", "Document"

    class State(models.TextChoices):
        """How far it has been read in."""

        PENDING = "pending", "Waiting"
        PARSING = "parsing", "Reading"
        EMBEDDING = "embedding", "Indexing"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    WAITING_STATES: ClassVar[tuple[str, ...]] = ("pending",)
    HELD_STATES: ClassVar[tuple[str, ...]] = ("parsing", "embedding")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="sources")
    owner = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="sources")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FILE)
    title = models.CharField(max_length=300)
    file = models.ForeignKey(
        "backends.StoredFile", on_delete=models.PROTECT, null=True, blank=True, related_name="sources"
    )
    uri = models.CharField(max_length=2000, blank=True, help_text="Address or name it was read from.")
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    mime = models.CharField(max_length=120, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING, db_index=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    warnings = models.JSONField(default=list, blank=True)
    text = models.TextField(blank=True)
    page_map = models.JSONField(default=list, blank=True, help_text="[[first character, page], …], ascending.")
    outline = models.JSONField(default=list, blank=True, help_text="[[first character, level, heading], …].")
    document = models.ForeignKey(
        "content.Document", on_delete=models.SET_NULL, null=True, blank=True, related_name="as_sources"
    )
    etag = models.CharField(max_length=200, blank=True, editable=False)
    last_modified = models.CharField(max_length=60, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, help_text="When the page or document was last looked at.")
    refresh_hours = models.PositiveIntegerField(
        null=True, blank=True, help_text="Looked at again so often; empty: never."
    )
    refresh_after = models.DateTimeField(null=True, blank=True, db_index=True)
    word_count = models.PositiveIntegerField(default=0)
    chunk_count = models.PositiveIntegerField(default=0)
    page_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["workspace", "state", "-created_at"], name="content_source_list"),
            models.Index(fields=["workspace", "sha256"], name="content_source_digest"),
        ]

    def __str__(self) -> str:
        # Not the title: this name goes into the audit record and the console, whose readers may not read sources.
        return f"source {self.pk}"


class SourcePin(models.Model):
    """A source that a document is written from. A document with pins is written and checked from these alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="pins")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="pins")
    created_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["document", "created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["document", "source"], name="content_pin_once")]

    def __str__(self) -> str:
        return f"pin {self.pk}"


class SourceChunkQuerySet(models.QuerySet["SourceChunk"]):
    """Passages by what the vector index needs to know."""

    def embedded_by(self, workspace_id: uuid.UUID | str, embedder_id: str) -> Self:
        """Passages of a workspace whose vector came from this embedder."""
        return self.filter(workspace_id=workspace_id, embedder_id=embedder_id, vector__isnull=False)

    def lacking(self, embedder_id: str) -> Self:
        """Passages that have no vector of this embedder, one from another embedder included."""
        return self.filter(Q(vector__isnull=True) | ~Q(embedder_id=embedder_id))


class SourceChunk(models.Model):
    """A passage of a source: the unit that is found and cited. `text` is `source.text[char_start:char_end]`.

    The vector stands here, and every index is made from it: an index that was lost is rebuilt without calling a
    model. It is a unit vector of little-endian half-precision floats, 768 bytes at 384 dimensions.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="chunks")
    # Repeated from the source: every search filters by it, and an index on one table answers.
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="+")
    ordinal = models.PositiveIntegerField()
    text = models.TextField()
    heading_path = models.CharField(max_length=500, blank=True)
    page = models.PositiveIntegerField(null=True, blank=True)
    char_start = models.PositiveIntegerField()
    char_end = models.PositiveIntegerField()
    token_count = models.PositiveIntegerField(default=0)
    vector = models.BinaryField(null=True, editable=False)
    embedder_id = models.CharField(max_length=120, blank=True, editable=False)
    dimension = models.PositiveSmallIntegerField(default=0, editable=False)
    vector_sha256 = models.CharField(max_length=64, blank=True, editable=False)

    objects = SourceChunkQuerySet.as_manager()

    class Meta:
        ordering = ["source", "ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["source", "ordinal"], name="content_chunk_ordinal"),
            models.CheckConstraint(
                condition=Q(char_end__gt=models.F("char_start")), name="content_chunk_span_not_empty"
            ),
        ]
        indexes = [models.Index(fields=["workspace", "embedder_id"], name="content_chunk_embedder")]

    def __str__(self) -> str:
        return f"{self.source_id} #{self.ordinal}"


class EmbeddingIndex(models.Model):
    """What is known about the vector index of one workspace and one embedder.

    `revision` grows with every change of the vectors in the database; `indexed_revision` is the one that the outside
    index holds. They differ: the index is behind, and exact search answers until it has caught up.
    """

    class State(models.TextChoices):
        """Whether the outside index may be asked."""

        EMPTY = "empty", "Empty"
        BUILDING = "building", "Building"
        READY = "ready", "Ready"
        BEHIND = "behind", "Behind"
        BROKEN = "broken", "Broken"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="embedding_indexes")
    embedder_id = models.CharField(max_length=120)
    dimension = models.PositiveSmallIntegerField()
    generation = models.PositiveIntegerField(default=0, help_text="Number of the collection; each rebuild makes one.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.EMPTY)
    collection = models.CharField(max_length=120, blank=True)
    vectors_count = models.PositiveIntegerField(default=0)
    revision = models.PositiveBigIntegerField(default=0)
    indexed_revision = models.PositiveBigIntegerField(default=0)
    last_built_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["workspace", "embedder_id"]
        verbose_name_plural = "embedding indexes"
        constraints = [models.UniqueConstraint(fields=["workspace", "embedder_id"], name="content_index_per_embedder")]

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.embedder_id}"

    def as_health(self) -> dict[str, Any]:
        """The figures that a health check and the console show."""
        return {
            "state": self.state,
            "vectors": self.vectors_count,
            "behind": self.revision - self.indexed_revision,
            "error": self.error,
        }
