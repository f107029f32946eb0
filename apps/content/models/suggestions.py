"""Suggestions: changes of a document that wait for somebody's yes or no, change by change."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from aiwriter.core.ids import uuid7


class Suggestion(models.Model):
    """A proposed text for a passage of a document, as single changes that are decided one by one.

    `ops` are the changes, from first to last, each `{"id", "start", "before", "after", "prefix", "suffix", "explanation",
    "state", "decided_by", "decided_at"}`: `start` is where `before` stood in the document's Markdown when the place was
    last looked up, and the words around it find it again after others have typed. Nothing here changes the document;
    `apps.content.services.suggestions` does when a change is accepted.
    """

    class State(models.TextChoices):
        """How far it is."""

        WRITING = "writing", "Being written"
        OPEN = "open", "Waiting for a decision"
        DECIDED = "decided", "Decided"
        FAILED = "failed", "Not written"

    OP_STATES: ClassVar[tuple[str, ...]] = ("open", "accepted", "rejected", "stale")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="suggestions")
    generation = models.OneToOneField(
        "content.Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="suggestion"
    )
    author = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    group = models.UUIDField(default=uuid7, editable=False, help_text="Candidates for the same passage share it.")
    candidate = models.PositiveSmallIntegerField(default=1)
    label = models.CharField(max_length=120, blank=True)
    action = models.CharField(max_length=40, blank=True)
    prompt_version = models.ForeignKey(
        "content.PromptActionVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    placement = models.CharField(
        max_length=10, default="replace", help_text="Where what a model writes goes: see PromptActionVersion.Placement."
    )
    quote = models.TextField(blank=True, help_text="The passage as it was, in Markdown.")
    start = models.PositiveIntegerField(default=0, help_text="Where the passage stood in the document's Markdown.")
    replacement = models.TextField(blank=True, help_text="The passage as it is proposed.")
    ops: models.JSONField[Any] = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["document", "state", "-created_at"], name="content_suggestion_of_doc"),
            models.Index(fields=["group"], name="content_suggestion_group"),
        ]

    def __str__(self) -> str:
        return f"suggestion {self.pk}"
