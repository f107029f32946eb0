"""Links with which people without an account read one document."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

from aiwriter.core.ids import uuid7


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    """Questions about links."""

    def live(self) -> Self:
        """Neither revoked nor at their end, and the document is not in the bin."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=timezone.now(), document__deleted_at__isnull=True)


class ShareLink(models.Model):
    """One link. The secret itself is shown once and never kept: the row holds an HMAC of it.

    It shows a `version` for good, or, when that is empty, what `which` names at the time of reading.
    """

    class Which(models.TextChoices):
        """Which text is shown."""

        CURRENT = "current", "The present text"
        PUBLISHED = "published", "The published text"
        VERSION = "version", "One version"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("users.Workspace", on_delete=models.CASCADE, related_name="+")
    document = models.ForeignKey("content.Document", on_delete=models.CASCADE, related_name="share_links")
    which = models.CharField(max_length=10, choices=Which.choices, default=Which.CURRENT)
    version = models.ForeignKey(
        "content.DocumentVersion", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    label = models.CharField(max_length=120, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_opened_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the hour.")

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["document", "-created_at", "-id"], name="content_share_of_document")]

    def __str__(self) -> str:
        return f"share link {self.pk}"

    @property
    def is_live(self) -> bool:
        """Whether it works now, as far as the row tells."""
        return self.revoked_at is None and self.expires_at > timezone.now()
