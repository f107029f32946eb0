"""Tables of wishes: each row of a CSV becomes one document."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class Batch(models.Model):
    """A table whose rows are briefs of one template.

    Its work is done in short steps, each a transaction that holds the row: what has ended is noted, and the next rows are
    asked for. The texts themselves are generations with leases of their own, so a killed worker leaves either the whole
    step or nothing of it, and the sweeper takes the next.
    """

    class State(models.TextChoices):
        """How far it is."""

        DRAFT = "draft", "Not started"
        RUNNING = "running", "Writing"
        STOPPING = "stopping", "Stopping"
        STOPPED = "stopped", "Stopped"
        DONE = "done", "Done"

    BUSY: ClassVar[tuple[str, ...]] = ("running", "stopping")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="batches")
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    token_id = models.UUIDField(null=True, blank=True, editable=False, help_text="API token that asked, if one did.")
    content_type = models.ForeignKey(
        "content.ContentType", on_delete=models.SET_NULL, null=True, blank=True, related_name="batches"
    )
    template_name = models.CharField(max_length=120)
    name = models.CharField(max_length=300)
    encoding = models.CharField(max_length=12, blank=True, help_text="As the file was read.")
    delimiter = models.CharField(max_length=1, blank=True)
    columns = models.JSONField(default=list, help_text="Names of the columns, each once.")
    mapping = models.JSONField(default=dict, help_text="Field of the brief to the column that fills it.")
    fixed = models.JSONField(default=dict, help_text="Values of fields that are the same for all rows.")
    collection = models.ForeignKey(
        "content.Collection", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    source_ids = models.JSONField(null=True, blank=True, help_text="Null: all sources of the workspace.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT, db_index=True)
    failures = models.PositiveIntegerField(default=0, help_text="Rows that failed one after the other.")
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["workspace", "-created_at", "-id"], name="content_batch_recent")]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_busy(self) -> bool:
        """Whether texts are being written."""
        return self.state in self.BUSY


class BatchRow(models.Model):
    """One row of the table. `number` is that of the row in a spreadsheet, where the names of the columns are row 1.

    `attempt` is part of the key under which its text is asked for, so that one attempt never becomes two texts.
    """

    class State(models.TextChoices):
        """What became of it."""

        BAD = "bad", "Cannot be used"
        READY = "ready", "Ready"
        WAITING = "waiting", "Waiting"
        WRITING = "writing", "Being written"
        DONE = "done", "Written"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    AGAIN: ClassVar[tuple[str, ...]] = ("failed", "stopped")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The unique constraint below begins with it.
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="rows", db_index=False)
    number = models.PositiveIntegerField()
    cells = models.JSONField(default=list)
    unread = models.CharField(max_length=300, blank=True, help_text="Why the row could not be read at all.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.READY)
    problems = models.JSONField(default=list, help_text="What is wrong with it: column, field, issue, remedy.")
    attempt = models.PositiveSmallIntegerField(default=1)
    generation = models.ForeignKey(
        "content.Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="batch_rows"
    )
    document = models.ForeignKey(
        "content.Document", on_delete=models.SET_NULL, null=True, blank=True, related_name="batch_rows"
    )
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)

    class Meta:
        ordering = ["batch", "number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="content_batch_row_number")]
        indexes = [models.Index(fields=["batch", "state", "number"], name="content_batch_row_state")]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.number}"
