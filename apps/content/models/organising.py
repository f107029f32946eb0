"""What documents are put in order with: collections, tags, the workspace's settings; and who is at a document now."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from aiwriter.core.ids import uuid7


class Collection(models.Model):
    """A folder of documents. Collections nest; a document lies in one of them or in none."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="collections")
    parent = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, blank=True, related_name="children")
    name = models.CharField(max_length=120)
    created_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            # Two constraints, since NULL is equal to nothing: without the second, "Reports" could stand twice on top.
            models.UniqueConstraint("parent", Lower("name"), name="content_collection_name"),
            models.UniqueConstraint(
                "workspace", Lower("name"), condition=Q(parent__isnull=True), name="content_collection_top_name"
            ),
            models.CheckConstraint(condition=~Q(parent=F("id")), name="content_collection_not_in_itself"),
        ]

    def __str__(self) -> str:
        # Not the name: see `Document.__str__`.
        return f"collection {self.pk}"


class Tag(models.Model):
    """A word that documents of a workspace are marked with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=60)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint("workspace", Lower("name"), name="content_tag_name")]

    def __str__(self) -> str:
        return f"tag {self.pk}"


class PresenceQuerySet(models.QuerySet["Presence"]):
    """Who is there."""

    def now(self) -> Self:
        """Those whose last sign is fresh."""
        return self.filter(seen_at__gt=timezone.now() - Presence.FRESH)


class Presence(models.Model):
    """A person has a document open in the editor. Without a new sign it ends by itself."""

    FRESH = dt.timedelta(seconds=40)

    id = models.BigAutoField(primary_key=True)
    # The unique constraint begins with it.
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="presences", db_index=False)
    user = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = PresenceQuerySet.as_manager()

    class Meta:
        ordering = ["since"]
        constraints = [models.UniqueConstraint(fields=["document", "user"], name="content_presence_once")]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.document_id}"


class WritingSettings(models.Model):
    """How a workspace is written in. Without a row the defaults hold."""

    TRASH_DAYS = 30

    class Approval(models.TextChoices):
        """Whose yes a text needs before it is published."""

        EDITOR = "editor", "An editor approves"
        OTHER = "other", "An editor approves who did not write it"
        NONE = "none", "No approval needed"

    workspace = models.OneToOneField(
        "users.Workspace", primary_key=True, on_delete=models.CASCADE, related_name="writing_settings"
    )
    trash_days = models.PositiveSmallIntegerField(default=TRASH_DAYS, help_text="0: nothing is deleted by itself.")
    language = models.CharField(max_length=12, default="en")
    default_collection = models.ForeignKey(
        Collection, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    approval = models.CharField(
        max_length=8, choices=Approval.choices, default=Approval.EDITOR, db_default=Approval.EDITOR
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "writing settings"

    def __str__(self) -> str:
        return f"settings of {self.workspace_id}"


def workspace_filter(workspace_ids: list[uuid.UUID]) -> Q:
    """Rows of these workspaces.

    One workspace is named by "=" and not by "IN (…)": only then does the database read an index in the list's order
    and stop after the page, instead of sorting a hundred thousand rows.
    """
    return Q(workspace_id=workspace_ids[0]) if len(workspace_ids) == 1 else Q(workspace_id__in=workspace_ids)
