"""Claim checks: what the sources say of each statement of a draft."""

from __future__ import annotations

from django.db import models

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet


class ClaimCheck(LeasedJob):
    """A check of one version of a document; the row is also the job. `done` counts the claims that are judged."""

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Checking"
        READY = "ready", "Ready"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="claim_checks")
    version = models.ForeignKey("content.DocumentVersion", on_delete=models.CASCADE, related_name="+")
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    note = models.CharField(
        max_length=300, blank=True, help_text="What was not as usual, for the reader of the result."
    )
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LeasedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["document", "-created_at", "-id"], name="content_claimcheck_recent")]

    def __str__(self) -> str:
        return f"claim check {self.pk}"


class CheckedClaim(models.Model):
    """One statement, and the sentence of a source that supports or contradicts it.

    `start` and `end` are its place in the Markdown of the checked version. The quotation is kept as text, because a source
    may be read again or removed; `chunk` leads to it while it is there.
    """

    class Verdict(models.TextChoices):
        """What the sources say."""

        SUPPORTED = "supported", "Supported"
        CONTRADICTED = "contradicted", "Contradicted"
        NOT_FOUND = "not_found", "Not found"

    claim_check = models.ForeignKey(ClaimCheck, on_delete=models.CASCADE, related_name="claims")
    ordinal = models.PositiveIntegerField()
    text = models.TextField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    reason = models.CharField(max_length=300, blank=True)
    quote = models.TextField(blank=True)
    score = models.FloatField(default=0)
    chunk = models.ForeignKey("content.SourceChunk", on_delete=models.SET_NULL, null=True, related_name="+")
    source = models.ForeignKey("content.Source", on_delete=models.SET_NULL, null=True, related_name="+")
    source_title = models.CharField(max_length=300, blank=True)
    locator = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["ordinal"]
        constraints = [models.UniqueConstraint(fields=["claim_check", "ordinal"], name="content_claim_once")]

    def __str__(self) -> str:
        return self.text[:60]
