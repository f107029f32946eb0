"""Content types: what kinds of texts can be asked for, as data. Each is a brief, a prompt, and a wished length."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q

from aiwriter.core.ids import uuid7


class ContentTypeQuerySet(models.QuerySet["ContentType"]):
    """The questions that the gallery asks."""

    def of_workspace(self, workspace_id: uuid.UUID | str) -> Self:
        """What a workspace has: its own, and the common ones that it has not replaced by its own of the same slug."""
        own = ContentType.objects.filter(workspace_id=workspace_id, slug=OuterRef("slug"))
        return self.filter(Q(workspace_id=workspace_id) | Q(Q(workspace=None), ~Exists(own)))

    def active(self) -> Self:
        """Those that are offered."""
        return self.filter(is_active=True)


class ContentType(models.Model):
    """A kind of text. Without a workspace it is common to all; a workspace replaces it by one of its own, same slug.

    `instructions` name the brief's fields in braces. `fields` is a JSON Schema of the brief; the order of its fields
    stands in "x-order", since databases do not keep the order of keys. `seeded` is the fingerprint of what the product
    brought last: while the row still says that, a new version of the product may change it.
    """

    class Category(models.TextChoices):
        """Shelves of the gallery."""

        ARTICLES = "articles", "Articles and long texts"
        BUSINESS = "business", "Business and press"
        COPY = "copy", "Advertising copy"
        LETTERS = "letters", "Letters and e-mail"
        PRODUCT = "product", "Products"
        SOCIAL = "social", "Social media"
        VIDEO = "video", "Video"
        OTHER = "other", "Other"

    class Writes(models.TextChoices):
        """What comes of it."""

        TEXT = "draft", "A whole text"
        OUTLINE = "outline", "An outline"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        "users.Workspace", on_delete=models.CASCADE, null=True, blank=True, related_name="content_types"
    )
    slug = models.SlugField(max_length=40, db_index=False)
    name = models.CharField(max_length=120)
    category = models.CharField(max_length=12, choices=Category.choices, default=Category.OTHER)
    description = models.CharField(max_length=400, blank=True)
    instructions = models.TextField(help_text="What the model is told; {name} stands for a field of the brief.")
    fields = models.JSONField(default=dict, help_text="JSON Schema of the brief.")
    writes = models.CharField(max_length=8, choices=Writes.choices, default=Writes.TEXT)
    length = models.PositiveIntegerField(default=700, help_text="Words that a text has if nobody says otherwise.")
    is_active = models.BooleanField(default=True)
    revision = models.PositiveIntegerField(default=1)
    seeded = models.CharField(max_length=64, blank=True, editable=False)
    created_by = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContentTypeQuerySet.as_manager()

    class Meta:
        ordering = ["category", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "slug"], condition=Q(workspace__isnull=False), name="content_type_own_slug"
            ),
            models.UniqueConstraint(
                fields=["slug"], condition=Q(workspace__isnull=True), name="content_type_common_slug"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_common(self) -> bool:
        """Whether every workspace has it."""
        return self.workspace_id is None


class ContentTypeVersion(models.Model):
    """A content type as it was after one change."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    values = models.JSONField()
    author = models.ForeignKey("users.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["content_type", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["content_type", "number"], name="content_type_version_number"),
        ]

    def __str__(self) -> str:
        return f"{self.content_type_id} v{self.number}"
