"""Generations: durable jobs that write text, the events that tell of them, and the citations in what they wrote."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

from django.db import connection, models
from django.db.models import Q

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class GenerationQuerySet(LeasedQuerySet):
    """The questions that lists and the sweeper ask."""

    def in_workspace(self, workspace_id: uuid.UUID | str) -> Self:
        """Generations of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def unfinished(self) -> Self:
        """Waiting or held."""
        return self.exclude(state__in=Generation.FINAL_STATES)


class Generation(LeasedJob):
    """One wish for text and what came of it. The row is the job: see `aiwriter.core.leases`.

    While it runs the text stands in its events; `output_markdown` is written once, at the end. `input` is a snapshot: a
    worker that takes over after another one died builds the same request from it and from the stored passages.
    """

    class Kind(models.TextChoices):
        """What is asked for."""

        DRAFT = "draft", "Draft"
        OUTLINE = "outline", "Outline"
        SECTION = "section", "Section"
        REWRITE = "rewrite", "Rewrite"
        TITLE = "title", "Title"

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Writing"
        STOPPING = "stopping", "Stopping"
        STOPPED = "stopped", "Stopped"
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"

    WAITING_STATES: ClassVar[tuple[str, ...]] = ("queued",)
    HELD_STATES: ClassVar[tuple[str, ...]] = ("running", "stopping")
    FINAL_STATES: ClassVar[tuple[str, ...]] = ("stopped", "succeeded", "failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="generations")
    document = models.ForeignKey(
        "content.Document", on_delete=models.CASCADE, null=True, blank=True, related_name="generations"
    )
    requested_by = models.ForeignKey(
        "users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="generations"
    )
    token_id = models.UUIDField(null=True, blank=True, editable=False, help_text="API token that asked, if one did.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    input = models.JSONField(default=dict)
    idempotency_key = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    finish_reason = models.CharField(max_length=20, blank=True)
    output_markdown = models.TextField(blank=True)
    partial_length = models.PositiveIntegerField(default=0, help_text="Characters written, as of the last renewal.")
    last_seq = models.PositiveIntegerField(default=0, help_text="Number of the last event, as of the last renewal.")
    stalls = models.PositiveSmallIntegerField(default=0, help_text="Attempts in a row that added no text.")
    retrieved = models.BooleanField(default=False, help_text="The passages were looked up; a successor uses the same.")
    models_used = models.JSONField(default=list, blank=True, help_text="Which model wrote which characters.")
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    applied_version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["requested_by", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="content_generation_once_per_key",
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="content_generation_recent"),
            models.Index(fields=["state", "lease_until"], name="content_generation_sweep"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self.state in self.FINAL_STATES


class NewEvent(NamedTuple):
    """An event about to be written. `data` is JSON already: it is passed on to browsers as it is."""

    generation_id: uuid.UUID
    seq: int
    type: str
    data: str


class GenerationEventQuerySet(models.QuerySet["GenerationEvent"]):
    """Appending, in the one place where speed decides."""

    def append(self, events: Sequence[NewEvent]) -> None:
        """Insert events in one statement each, without building model instances.

        A worker that holds 200 generations writes 2,000 rows a second; `bulk_create` costs five times as much a row.
        """
        table = connection.ops.quote_name(GenerationEvent._meta.db_table)
        cast = "%s::jsonb" if connection.vendor == "postgresql" else "%s"
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} (generation_id, seq, type, data) VALUES (%s, %s, %s, {cast})",  # noqa: S608
                [(self.key(e.generation_id), e.seq, e.type, e.data) for e in events],
            )

    @staticmethod
    def key(generation_id: uuid.UUID) -> Any:
        """The id as this database's driver takes it in raw statements."""
        return generation_id if connection.features.has_native_uuid_field else generation_id.hex


class GenerationEvent(models.Model):
    """One numbered thing that happened; `seq` has no gap within a generation and is the id of the browser's event."""

    id = models.BigAutoField(primary_key=True)
    # The unique constraint below begins with it, so an index of its own would only cost time on every insert.
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=12)
    data = models.JSONField(default=dict)

    objects = GenerationEventQuerySet.as_manager()

    class Meta:
        ordering = ["generation", "seq"]
        constraints = [models.UniqueConstraint(fields=["generation", "seq"], name="content_event_seq")]

    def __str__(self) -> str:
        return f"{self.generation_id} {self.seq} {self.type}"


class GenerationPassage(models.Model):
    """A passage that was given to the model. The text is a copy: the source may be read in anew or removed later."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="passages")
    marker = models.CharField(max_length=12)
    ordinal = models.PositiveSmallIntegerField()
    chunk = models.ForeignKey("content.SourceChunk", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    source = models.ForeignKey("content.Source", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    title = models.CharField(max_length=300)
    locator = models.CharField(max_length=560, blank=True)
    text = models.TextField()
    score = models.FloatField(default=0.0)

    class Meta:
        ordering = ["generation", "ordinal"]
        constraints = [models.UniqueConstraint(fields=["generation", "marker"], name="content_passage_marker")]

    def __str__(self) -> str:
        return f"[{self.marker}] {self.title}"


class Citation(models.Model):
    """A marker in a text, the passage it names, and whether the passage really says so.

    Without a version it is as the model wrote it. With one it is as it stands in that version, where markers are
    numbered through the whole document.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    generation = models.ForeignKey(
        Generation, on_delete=models.CASCADE, null=True, blank=True, related_name="citations"
    )
    version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.CASCADE, null=True, blank=True, related_name="citations"
    )
    marker = models.CharField(max_length=12)
    chunk = models.ForeignKey("content.SourceChunk", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    source = models.ForeignKey(
        "content.Source", on_delete=models.SET_NULL, null=True, blank=True, related_name="citations"
    )
    source_title = models.CharField(max_length=300, blank=True)
    locator = models.CharField(max_length=560, blank=True)
    quote = models.TextField(blank=True)
    verified = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)
    score = models.FloatField(default=0.0)
    start = models.PositiveIntegerField(default=0)
    end = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["start"]

    def __str__(self) -> str:
        return f"[{self.marker}] {self.source_title}"
