"""Comments on a document: threads that hang on a passage, or on the document as a whole."""

from __future__ import annotations

from typing import Any

from django.db import models

from aiwriter.core.ids import uuid7


class CommentThread(models.Model):
    """A conversation about a passage.

    `quote` is the passage in Markdown as it stands now, `start` where; with the words around it (`prefix`, `suffix`) they
    are moved along with every save, see `services.anchoring`. An empty quote means the whole document.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="+")
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="threads")
    version = models.ForeignKey("content.DocumentVersion", on_delete=models.SET_NULL, null=True, related_name="+")
    quote = models.TextField(blank=True)
    prefix = models.CharField(max_length=80, blank=True)
    suffix = models.CharField(max_length=80, blank=True)
    start = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    resolved_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    resolved_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["document", "created_at", "id"], name="content_thread_of_document")]

    def __str__(self) -> str:
        return f"comments {self.pk}"


class Comment(models.Model):
    """What one person said in a thread."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    thread = models.ForeignKey(CommentThread, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    body = models.TextField()
    mentions: models.JSONField[Any] = models.JSONField(default=list, blank=True, help_text="Ids of people.")
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"comment {self.pk}"
