"""The way of a document from the first draft to readers: which step may follow which, and steps that wait for their time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7
from aiwriter.core.leases import LeasedJob, LeasedQuerySet
from apps.content.models.documents import Document

_S = Document.Status
# Where a document lies when nothing is under way: published, approved or a draft, by what it has.
RESTS = ""
# Each step, from which status it may be taken, and where it leads. Nothing else changes a status.
TRANSITIONS: Mapping[str, Mapping[str, str]] = {
    "submit": {_S.DRAFT: _S.IN_REVIEW, _S.APPROVED: _S.IN_REVIEW, _S.PUBLISHED: _S.IN_REVIEW},
    "approve": {
        _S.DRAFT: _S.APPROVED,
        _S.IN_REVIEW: _S.APPROVED,
        _S.APPROVED: _S.APPROVED,
        _S.PUBLISHED: _S.APPROVED,
    },
    "send_back": {_S.IN_REVIEW: _S.DRAFT, _S.APPROVED: _S.DRAFT},
    "schedule": {
        _S.DRAFT: _S.SCHEDULED,
        _S.APPROVED: _S.SCHEDULED,
        _S.SCHEDULED: _S.SCHEDULED,
        _S.PUBLISHED: _S.SCHEDULED,
    },
    "unschedule": {_S.SCHEDULED: RESTS},
    "publish": {
        _S.DRAFT: _S.PUBLISHED,
        # A newer text is under review; what was approved before it may go out all the same.
        _S.IN_REVIEW: _S.IN_REVIEW,
        _S.APPROVED: _S.PUBLISHED,
        _S.SCHEDULED: _S.PUBLISHED,
        _S.PUBLISHED: _S.PUBLISHED,
    },
    # What is out can be taken back at any time; a newer text keeps its own status.
    "unpublish": {
        _S.DRAFT: _S.DRAFT,
        _S.IN_REVIEW: _S.IN_REVIEW,
        _S.APPROVED: _S.APPROVED,
        _S.SCHEDULED: _S.SCHEDULED,
        _S.PUBLISHED: RESTS,
        _S.ARCHIVED: _S.ARCHIVED,
    },
    "archive": {
        _S.DRAFT: _S.ARCHIVED,
        _S.IN_REVIEW: _S.ARCHIVED,
        _S.APPROVED: _S.ARCHIVED,
        _S.PUBLISHED: _S.ARCHIVED,
    },
    "reopen": {_S.ARCHIVED: RESTS},
}


class ScheduleQuerySet(LeasedQuerySet):
    """The questions of the sweeper and of the calendar."""

    def due(self) -> Self:
        """What may be taken now: its time has come, and nobody is at it."""
        return self.claimable().filter(publish_at__lte=timezone.now())


class Schedule(LeasedJob):
    """A version that is to be published at a time. The row is also the job that does it.

    `places` are the places outside that get the text at that time, each `{"target_id", "categories", "tags",
    "with_sources"}`.
    """

    class State(models.TextChoices):
        """How it stands."""

        QUEUED = "queued", "Waiting for its time"
        RUNNING = "running", "Being published"
        DONE = "done", "Published"
        CANCELLED = "cancelled", "Taken back"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="schedules")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="schedules")
    version = models.ForeignKey("content.DocumentVersion", on_delete=models.CASCADE, related_name="+")
    publish_at = models.DateTimeField()
    places = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED, db_index=True)
    requested_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, related_name="+")
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["publish_at", "id"]
        constraints = [
            # A document waits for one time only; what is over stays as the record of what was planned.
            models.UniqueConstraint(
                fields=["document"], condition=Q(state__in=("queued", "running")), name="content_schedule_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "publish_at", "id"], name="content_schedule_time")]

    def __str__(self) -> str:
        return f"schedule {self.pk}"
