"""Long texts, outline first: what each section is to tell, and how far its writing is."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from aiwriter.core.ids import uuid7


class Outline(models.Model):
    """The plan of a document, and the wish to have its sections written one after the other.

    No lease is needed: nothing long happens while this row is worked on. The writing itself is done by generations, one
    for each section; the row is locked while the next one is asked for, and the key of that wish (`run` and the section)
    lets it be asked once.
    """

    class State(models.TextChoices):
        """What is being done."""

        IDLE = "idle", "Waiting for you"
        PLANNING = "planning", "Planning"
        WRITING = "writing", "Writing"

    document = models.OneToOneField(
        "content.Document", on_delete=models.CASCADE, primary_key=True, related_name="outline"
    )
    brief = models.JSONField(default=dict, blank=True)
    source_ids = models.JSONField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.IDLE, db_index=True)
    run = models.PositiveIntegerField(default=0)
    revision = models.PositiveIntegerField(default=1)
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    token_id = models.UUIDField(null=True, blank=True, editable=False, help_text="API token that asked, if one did.")
    plan = models.ForeignKey("content.Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"outline of {self.document_id}"


class Section(models.Model):
    """One section. `text` is what was last put into the document for it, by which its place there is found again."""

    class State(models.TextChoices):
        """How far it is."""

        PLANNED = "planned", "Planned"
        QUEUED = "queued", "In line"
        WRITING = "writing", "Writing"
        WRITTEN = "written", "Written"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="sections")
    position = models.PositiveSmallIntegerField()
    heading = models.CharField(max_length=300)
    instruction = models.TextField(blank=True)
    target_words = models.PositiveIntegerField(default=300)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PLANNED)
    text = models.TextField(blank=True)
    words = models.PositiveIntegerField(default=0)
    generation = models.OneToOneField(
        "content.Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="section"
    )
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)

    class Meta:
        ordering = ["document", "position", "id"]
        indexes = [
            models.Index(fields=["document", "position"], name="content_section_order"),
            models.Index(
                fields=["state"], condition=Q(state__in=("queued", "writing")), name="content_section_unfinished"
            ),
        ]

    def __str__(self) -> str:
        return f"section {self.position} of {self.document_id}"
