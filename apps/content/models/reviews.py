"""Reviews: who was asked to read which version, and what each of them said."""

from __future__ import annotations

from django.db import models

from aiwriter.core.ids import uuid7


class ReviewRequest(models.Model):
    """A version that people were asked to read. A document has one open request at most."""

    class State(models.TextChoices):
        """How it ended, if it did."""

        OPEN = "open", "Open"
        APPROVED = "approved", "Approved"
        CHANGES = "changes", "Changes asked for"
        CANCELLED = "cancelled", "Taken back"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="review_requests")
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="review_requests")
    version = models.ForeignKey("content.DocumentVersion", on_delete=models.CASCADE, related_name="+")
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    note = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["document"], condition=models.Q(state="open"), name="content_review_open_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "state", "-created_at", "-id"], name="content_review_recent")]

    def __str__(self) -> str:
        return f"review {self.pk}"


class ReviewVerdict(models.Model):
    """What one of those who were asked said."""

    class Decision(models.TextChoices):
        """Yes, no, or nothing yet."""

        WAITING = "waiting", "Not decided yet"
        APPROVED = "approved", "Approved"
        CHANGES = "changes", "Asked for changes"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(ReviewRequest, on_delete=models.CASCADE, related_name="verdicts")
    reviewer = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="+", db_index=False)
    decision = models.CharField(max_length=10, choices=Decision.choices, default=Decision.WAITING)
    note = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["request", "reviewer"], name="content_verdict_once")]
        indexes = [models.Index(fields=["reviewer", "decision"], name="content_verdict_waiting")]

    def __str__(self) -> str:
        return f"verdict {self.pk}"
